"""Modules of one architecture as one."""

from copy import deepcopy

import torch
from torch.func import functional_call, vmap

from skuq.deep._stack_chain import chain_of, run_chain
from skuq.deep._stack_kernels import OneKernel


class Stack:
    """Parameters and buffers of several modules, stacked along a new first axis.

    With ``alias=True`` the modules hold views of the stacks afterwards, so that they
    follow what happens to those, until `release`.  `shell` is a module of the same
    architecture, whose state is not used, but whose mode is; None makes one.
    """

    def __init__(self, modules, *, alias=False, shell=None):
        self.modules = list(modules)
        self.shell = deepcopy(self.modules[0]) if shell is None else shell
        self.parameters = _stacked(dict(m.named_parameters()) for m in self.modules)
        self.buffers = _stacked(dict(m.named_buffers()) for m in self.modules)
        self._chain = chain_of(self.shell)
        self._names = [
            (prefix, [name for name, _ in _state(layer)])
            for prefix, layer in self._chain or []
        ]
        if alias:
            self.alias()

    @property
    def state(self):
        """All stacks by name."""
        return self.parameters | self.buffers

    def alias(self):
        """Make the modules views of the stacks."""
        stacks = self.state
        for i, module in enumerate(self.modules):
            for name, tensor in _state(module):
                tensor.data = stacks[name].data[i]

    def keep(self, positions):
        """Let go of all modules but those at `positions`."""
        self.release(set(range(len(self.modules))) - set(positions))
        self.modules = [self.modules[i] for i in positions]
        for stack in self.state.values():
            stack.data = stack.data[positions]
            stack.grad = None
        self.alias()

    def release(self, positions=None):
        """Give modules memory of their own."""
        everything = range(len(self.modules))
        for i in everything if positions is None else positions:
            for _, tensor in _state(self.modules[i]):
                tensor.data = tensor.data.clone()

    def __call__(self, x, *, shared=False):
        """The outputs of all modules, stacked along a new first axis.

        `x` holds samples for each module along its first axis; or the same for all.
        """
        if self._chain is not None:
            x = x.expand(len(self.modules), *x.shape) if shared else x
            return run_chain(self._chain, self._states(), x)
        with OneKernel():
            return vmap(
                self._one, in_dims=(0, 0, None if shared else 0), randomness="different"
            )(self.parameters, self.buffers, x)

    def _one(self, parameters, buffers, x):
        return functional_call(self.shell, (parameters, buffers), (x,))

    def _states(self):
        """Parameters and buffers of the layers of the chain, by their short names."""
        everything = self.state
        return [
            {name: everything[prefix + name] for name in names}
            for prefix, names in self._names
        ]


def _state(module):
    """Parameters and buffers by name."""
    yield from module.named_parameters()
    yield from module.named_buffers()


def _stacked(states):
    """Tensors of each name from all modules, one after the other."""
    first, *others = states
    stacks = {}
    for name, tensor in first.items():
        parts = [tensor, *(state[name] for state in others)]
        stack = torch.stack([part.detach() for part in parts])
        stacks[name] = stack.requires_grad_(tensor.requires_grad)
    return stacks

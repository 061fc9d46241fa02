"""Adam: torch's own numbers, without new memory in each step."""

import torch
from torch.optim import Adam, AdamW

VARIANTS = (
    *("amsgrad", "maximize", "foreach", "fused", "capturable", "differentiable"),
    "decoupled_weight_decay",
)


def optimizer_class(wanted, settings, device):
    """The class to use for an optimiser: a faster one with the same arithmetic.

    `settings` holds the options of all weights, and those of each group of them.
    """
    plain = device.type == "cpu" and not any(
        options.get(name) for options in settings for name in VARIANTS
    )
    numbers = not any(
        torch.is_tensor(options.get(name))
        for options in settings
        for name in ("lr", "betas")
    )
    if wanted in (Adam, AdamW) and plain and numbers:
        return {Adam: FastAdam, AdamW: FastAdamW}[wanted]
    return wanted


class _InPlace(torch.optim.Optimizer):
    """The step of Adam on tensors on the host.

    Fresh memory of a megabyte costs more than the arithmetic in it, so that the
    denominator of each weight has a place of its own.
    """

    decoupled: bool  # whether weight decay stays out of the gradient

    @torch.no_grad()
    def step(self, closure=None):
        """Change the weights by their gradients, in the operations of torch."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._change(parameter, group)
        return loss

    def _change(self, parameter, group):
        state, gradient = self.state[parameter], parameter.grad
        beta1, beta2 = group["betas"]
        decay = group["weight_decay"]
        if decay and self.decoupled:
            parameter.mul_(1 - group["lr"] * decay)
        elif decay:
            gradient = gradient.add(parameter, alpha=decay)
        if parameter.is_complex():
            parameter, gradient = map(torch.view_as_real, (parameter, gradient))
        if not state:
            state["step"] = torch.tensor(0.0)
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
            state["denominator"] = torch.empty_like(parameter)
        state["step"] += 1
        step = state["step"].item()
        state["exp_avg"].lerp_(gradient, 1 - beta1)
        square = state["exp_avg_sq"].mul_(beta2)
        square.addcmul_(gradient, gradient, value=1 - beta2)
        denominator = torch.sqrt(square, out=state["denominator"])
        denominator.div_((1 - beta2**step) ** 0.5).add_(group["eps"])
        size = group["lr"] / (1 - beta1**step)
        parameter.addcdiv_(state["exp_avg"], denominator, value=-size)


class FastAdam(_InPlace, Adam):
    """`torch.optim.Adam`; weight decay is part of the gradient."""

    decoupled = False


class FastAdamW(_InPlace, AdamW):
    """`torch.optim.AdamW`; weight decay is not."""

    decoupled = True

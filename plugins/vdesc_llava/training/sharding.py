"""An LLM whose frozen weights are divided among the processes of a run, layer by layer (FSDP2 of torch)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import distributed
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from vdesc import SettingsError

from ..model import LlavaModel


def processes() -> int:
    """How many processes train together."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def shard(model: LlavaModel, device: torch.device) -> None:
    """Divides the weights of the LLM's layers among the processes; each layer is put together while it computes.

    What learns (projector, adapters) stays whole in each process, so that its gradients, checkpoints and folders are
    those of DDP. So do the word vectors and the LLM's head.

    Args:
        model: on the CPU, adapters and all; it goes to the device a layer at a time, so that no device need hold it.
    Raises:
        SettingsError: there is one process only, or the LLM does not say what its layers are.
    """
    if processes() == 1:
        raise SettingsError(
            "shard divides the LLM among several processes, and this is one: launch it with accelerate launch "
            "--config_file configs/llava/accelerate-ddp.yaml, or set shard to false"
        )
    kinds = set(getattr(model.llm, "_no_split_modules", None) or ())
    layers: list[Any] = [module for module in model.llm.modules() if type(module).__name__ in kinds]
    if not layers:
        raise SettingsError("the LLM does not say what its layers are, so it cannot be divided: set shard to false")
    mesh = init_device_mesh(device.type, (processes(),))
    for layer in layers:
        whole = {parameter for name, parameter in layer.named_parameters() if "lora_" in name}
        fully_shard(layer, mesh=mesh, reshard_after_forward=True, ignored_params=whole)
    model.to(device)
    divided: Any = [name for name, parameter in model.named_parameters() if isinstance(parameter, DTensor)]
    model._ddp_params_and_buffers_to_ignore = divided  # where DDP looks for what is not its own to keep alike


@contextmanager
def together(model: LlavaModel) -> Iterator[None]:
    """In the block processes may call a divided LLM differently often: who is done helps the others to go on.

    A layer is put together by all processes at once. Before each call all say whether they still have one to make; who
    has none makes one of a single token.
    """

    def any_calls(mine: bool) -> bool:
        said = torch.tensor(float(mine), device=model.device)
        distributed.all_reduce(said)
        return bool(said)

    handle = model.llm.register_forward_pre_hook(lambda *_: any_calls(True) and None)
    try:
        yield
    finally:
        handle.remove()
    while any_calls(False):
        model.llm(torch.zeros(1, 1, dtype=torch.long, device=model.device))

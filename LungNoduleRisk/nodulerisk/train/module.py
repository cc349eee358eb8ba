"""The Lightning module: losses, optimiser and logging for networks trained side by side."""

from __future__ import annotations

from typing import Any

import lightning
import torch
import torch.nn.functional as F
from monai.losses import DiceLoss
from torch import Tensor, nn

from nodulerisk.networks.build import build_network
from nodulerisk.networks.kinds import recipe_of
from nodulerisk.networks.layers import Network
from nodulerisk.train.plans.runs import Run
from nodulerisk.train.rates import freeze, parameter_groups
from nodulerisk.train.samples import Sample
from nodulerisk.train.settings import CLIP


def network_of(run: Run, name: str) -> Network:
    """Returns a network of the run as it is before training."""
    plan = run.networks[name]
    return build_network(plan.kind, input_size=run.size, n_classes=run.heads, **recipe_of(plan))


class NetworksInTraining(lightning.LightningModule):
    """The networks of a run. Their losses are summed, which trains each one independently."""

    def __init__(self, run: Run, seed: int):
        super().__init__()
        torch.manual_seed(seed)
        self.run, self.seed = run, seed
        self.networks = nn.ModuleDict({name: network_of(run, name) for name in run.networks})
        self.networks.train()
        self._freeze()
        self.networks.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]  # twice as fast on CPUs
        # the published loss, plus 1
        self._dice_loss = DiceLoss(sigmoid=True, batch=True, smooth_nr=1.0, smooth_dr=1.0)

    def on_train_epoch_start(self) -> None:
        # dropout continues unchanged after a restart
        torch.manual_seed(self.seed * 1000 + self.current_epoch)
        self._freeze()

    def _freeze(self) -> None:
        for name, network in self._each():
            freeze(network, self.run.networks[name].rates)

    def training_step(self, batch: Sample) -> Tensor:
        losses = {name: self._loss(network, batch) for name, network in self._each()}
        self._log({f"loss/{name}": loss for name, loss in losses.items()}, len(batch["cube"]))
        return torch.stack(list(losses.values())).sum()

    def validation_step(self, batch: Sample) -> None:
        for name, network in self._each():
            answers = _answers(network, batch["cube"])
            figures = {"loss": self._loss_of(*answers, batch), **self._figures(*answers, batch)}
            self._log(
                {f"val_{figure}/{name}": value for figure, value in figures.items()},
                len(batch["cube"]),
            )

    def on_validation_epoch_end(self) -> None:
        """Logs the mean over the networks, for the checkpoint and the schedule."""
        logged = self.trainer.callback_metrics
        for figure in ("loss", "accuracy", "dice"):
            values = [value for key, value in logged.items() if key.startswith(f"val_{figure}/")]
            if values:
                self.log(f"val_{figure}", torch.stack(values).mean(), sync_dist=True, prog_bar=True)

    def configure_optimizers(self) -> Any:
        run = self.run
        kind = torch.optim.AdamW if run.optimiser == "adamw" else torch.optim.Adam
        groups = parameter_groups(
            ((network, run.networks[name].rates) for name, network in self._each()),
            run.learning_rate,
        )
        optimiser = kind(groups, lr=run.learning_rate, weight_decay=run.weight_decay)
        if run.schedule == "constant":
            return optimiser
        if run.schedule == "one-cycle":
            steps = int(self.trainer.estimated_stepping_batches)
            highest = [group["lr"] for group in groups]
            cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, highest, total_steps=steps)
            return {
                "optimizer": optimiser,
                "lr_scheduler": {"scheduler": cycle, "interval": "step"},
            }
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimiser, run.mode, run.factor, run.patience
        )
        return {
            "optimizer": optimiser,
            "lr_scheduler": {"scheduler": plateau, "monitor": f"val_{run.monitor}"},
        }

    def configure_gradient_clipping(
        self, optimizer, gradient_clip_val=None, gradient_clip_algorithm=None
    ) -> None:
        for network in self.networks.values():  # each on its own, as if trained alone
            nn.utils.clip_grad_norm_(network.parameters(), CLIP)

    def _each(self) -> list[tuple[str, Network]]:
        return list(self.networks.items())  # type: ignore[arg-type]

    def _log(self, values: dict[str, Tensor], count: int) -> None:
        self.log_dict(values, batch_size=count, on_step=False, on_epoch=True, sync_dist=True)

    def _loss(self, network: Network, batch: Sample) -> Tensor:
        return self._loss_of(*_answers(network, batch["cube"]), batch)

    def _loss_of(self, logits: Tensor, mask: Tensor | None, batch: Sample) -> Tensor:
        loss = torch.stack(
            [self._task_loss(*parts) for parts in self._by_task(logits, batch["targets"])]
        ).sum()
        return loss if mask is None else loss + self._mask_loss(mask, batch["mask"])

    def _by_task(self, logits: Tensor, targets: Tensor):
        heads = self.run.heads
        return zip(
            self.run.tasks, logits.split(heads, dim=1), targets.split(heads, dim=1), strict=True
        )

    def _task_loss(self, task: str, logits: Tensor, targets: Tensor) -> Tensor:
        """Returns the cross-entropy over the samples whose class is known."""
        known = targets[:, 0].isfinite()
        loss = F.cross_entropy(logits, targets.nan_to_num(), reduction="none")[known]
        return self.run.task_weights.get(task, 1.0) * loss.sum() / max(len(loss), 1)

    def _mask_loss(self, logits: Tensor, mask: Tensor) -> Tensor:
        """Returns the Dice loss of the whole batch (a cube without a nodule has no Dice of its own)
        and, if requested, the cross-entropy."""
        known = mask[:, 0, 0, 0, 0].isfinite()
        if not known.any():
            return 0.0 * logits.sum()
        logits, mask = logits[known], mask[known]
        loss = self.run.dice * self._dice_loss(logits, mask)
        if self.run.mask_cross_entropy:
            loss = loss + self.run.mask_cross_entropy * F.binary_cross_entropy_with_logits(
                logits, mask
            )
        return loss

    def _figures(self, logits: Tensor, mask: Tensor | None, batch: Sample) -> dict[str, Tensor]:
        """Returns the accuracy over all tasks, and the mean Dice of the masks."""
        hits = [
            (answer.argmax(dim=1) == target.argmax(dim=1))[target[:, 0].isfinite()].float()
            for _, answer, target in self._by_task(logits, batch["targets"])
        ]
        figures = {} if not len(torch.cat(hits)) else {"accuracy": torch.cat(hits).mean()}
        return (
            figures
            if mask is None
            else figures | {"dice": _mean_dice(mask > 0, batch["mask"] >= 0.5)}
        )


def _answers(network: Network, cube: Tensor) -> tuple[Tensor, Tensor | None]:
    """Returns class logits and mask logits."""
    logits = network.logits(cube.contiguous(memory_format=torch.channels_last_3d))
    return logits if isinstance(logits, tuple) else (logits, None)


def _mean_dice(drawn: Tensor, marked: Tensor) -> Tensor:
    axes = (1, 2, 3, 4)
    dice = 2 * (drawn & marked).sum(axes) / (drawn.sum(axes) + marked.sum(axes)).clamp(min=1)
    return dice[marked.any(1).flatten(1).any(1)].mean().nan_to_num()

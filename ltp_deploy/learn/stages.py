"""The published stages of training, each on the weights that the one before it left."""

from __future__ import annotations

from dataclasses import dataclass

from ltp_deploy.errors import LtpError
from ltp_deploy.learn.masks import Dense, Hard, Mask, Soft
from ltp_deploy.learn.model import Dropout, Learner, Objective
from ltp_deploy.learn.recipe import Recipe
from ltp_deploy.learn.stage import Stage, TrainerSettings
from ltp_deploy.learn.trainer import fit
from ltp_deploy.model.encoder import Encoder
from ltp_deploy.model.policy import PrunePolicy
from ltp_deploy.progress import Progress
from ltp_deploy.tune.data import TaskData
from ltp_deploy.tune.scale import OutOfReach, scaled_to
from ltp_deploy.tune.search import MODE, SAMPLE_TEXTS, SAMPLE_TOKENS
from ltp_deploy.tune.steps import Steps

SCALING_TOKENS = 16_384  # of the training data, on which a policy is scaled


@dataclass(frozen=True)
class Stages:
    """The stages of one run; one to which the recipe gives 0 epochs changes no weights.

    Attributes:
        encoder: is trained in place.
        data: the training data; its teacher's answers are learned from, once it has them.
        recipe: with nothing left open, see `Recipe.for_data`.
        settings: where the stages keep their checkpoints and logs.
    """

    encoder: Encoder
    data: TaskData
    recipe: Recipe
    settings: TrainerSettings

    def finetune(self) -> None:
        """Train the weights without any pruning, for a model whose head is new."""
        self._train("finetune", self.recipe.finetune_epochs, self.recipe.learning_rate, Dense())

    def walked(self, policy: PrunePolicy) -> PrunePolicy:
        """The first policy that reaches the recipe's aim on a sample of the data, on a walk from
        one that prunes nothing.

        Raises:
            LtpError: the walk ends before.
        """
        assert self.recipe.aim is not None
        sample = self.data.sample(SAMPLE_TOKENS, self.recipe.seed, SAMPLE_TEXTS)
        with Progress("layer by layer", unit="step") as progress:
            for step in Steps(self.encoder, sample.batch, policy, MODE):
                progress.tell(work=f"{step.work:.2f}")
                progress.update()
                if step.work <= 1 / self.recipe.aim:
                    return step.policy
        raise LtpError(f"{self.recipe.aim:g} times fewer FLOPs are more than pruning can give here")

    def learn_thresholds(self, policy: PrunePolicy) -> PrunePolicy:
        """Train weights and thresholds under the soft mask.

        Args:
            policy: the thresholds to start from.

        Returns:
            The policy with the thresholds that were learned.
        """
        recipe = self.recipe
        assert recipe.temperature is not None
        assert recipe.soft_epochs is not None
        assert recipe.regularisation is not None
        soft = Soft(policy, recipe.temperature)
        self._train("soft", recipe.soft_epochs, recipe.learning_rate, soft, recipe.regularisation)
        return soft.cpu().binarised()

    def train_pruned(self, policy: PrunePolicy) -> None:
        """Train the weights while the policy prunes as at inference."""
        recipe = self.recipe
        assert recipe.hard_epochs is not None
        self._train("hard", recipe.hard_epochs, recipe.hard_learning_rate, Hard(policy))

    def scaled(self, policy: PrunePolicy) -> PrunePolicy:
        """The policy scaled to the recipe's aim, if it has one, on a sample of the data.

        An aim that nobody asked for may be out of reach; the policy then stays as it is.

        Raises:
            LtpError: see `scaled_to`.
        """
        if self.recipe.aim is None or self.recipe.method == "dense":
            return policy
        sample = self.data.sample(SCALING_TOKENS, self.recipe.seed)
        try:
            return scaled_to(self.encoder.with_policy(policy), sample, self.recipe.aim)
        except OutOfReach:
            if self.recipe.flops_ratio is not None:
                raise
            return policy

    def _train(
        self, name: str, epochs: float, rate: float, mask: Mask, regularisation: float = 0.0
    ) -> None:
        if not epochs:
            return
        recipe = self.recipe
        distill = recipe.distill if self.data.teacher is not None else 0.0
        model = Learner(
            self.encoder.requires_grad_(True),
            mask,
            Objective(regularisation, recipe.aim, distill),
            Dropout(recipe.dropout, recipe.attention_dropout),
        )
        thresholds = recipe.threshold_learning_rate or rate
        stage = Stage(name, epochs, rate, thresholds, recipe.batch, recipe.seed)
        fit(stage, model, self.data, self.settings)
        self.encoder.requires_grad_(False).eval()

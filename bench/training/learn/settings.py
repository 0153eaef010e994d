"""What determines a study of how well the methods learn."""

from dataclasses import dataclass

METHODS_STUDIED = ("full", "fixed", "e3va", "lora", "bitfit", "adapter")
RANDOM = "random"
"""Full fine-tuning of a backbone that was not pre-trained."""


@dataclass(frozen=True, kw_only=True)
class LearnSettings:
    """A study: one pre-training, and fine-tunings for each target, seed and method.

    The numbers are our own. They were chosen so that the pre-training learns its own domain well (mIoU above 0.6) and
    that all runs together take less than eight minutes on two cores.
    """

    seeds: tuple[int, ...] = (0, 1, 2)
    """Each decides the training images, their order, the head's weights and what a method adds."""
    targets: tuple[str, ...] = ("angles", "kinds")
    """Names of the domains to fine-tune on, of `domains.TARGETS`."""
    methods: tuple[str, ...] = METHODS_STUDIED
    """Names of the methods, of `bench.cases.methods.METHODS`."""
    embed_dim: int = 32
    """Channels of the first stage; each later one has twice as many."""
    depths: tuple[int, ...] = (2, 2, 2)
    """Blocks per stage. There is no fourth stage: at this image size it would be padding almost alone."""
    heads: tuple[int, ...] = (1, 2, 4)
    """Attention heads per stage."""
    image_side: int = 56
    """Height and width of the images in pixels, so that windows of 7 fill the first two stages without padding."""
    source_images: int = 400
    """Training images of the pre-training."""
    target_images: int = 300
    """Training images of a fine-tuning."""
    validation_images: int = 60
    """Images that a mIoU is taken over. All seeds have the same ones."""
    pretraining_steps: int = 600
    """Steps of the pre-training."""
    pretraining_batch: int = 16
    """Images of one step of the pre-training."""
    steps: int = 120
    """Steps of a fine-tuning."""
    batch: int = 8
    """Images of one step of a fine-tuning."""
    learning_rate: float = 1e-2
    """Greatest rate of AdamW where the backbone is frozen or has few parameters that train. Fixed and E3VA both learn
    more with it than with a third of it."""
    full_learning_rate: float = 2e-3
    """Greatest rate of AdamW where all weights of the backbone train, in the pre-training too."""
    weight_decay: float = 0.01
    """Decay of AdamW."""
    clip_norm: float = 5.0
    """Largest norm of all gradients together."""

    def rate_of(self, method: str) -> float:
        """Greatest learning rate of a method, or of `RANDOM`."""
        return self.full_learning_rate if method in ("full", RANDOM) else self.learning_rate

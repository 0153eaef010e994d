"""Sounds as inputs: waveforms, and spectra of several layouts."""

from drystep.zoo.transformers_models.subject import Batch, Subject

SECONDS = 10
"""Length of each sound."""
SAMPLES_PER_SECOND = 16_000
FRAMES_PER_SECOND = 100
"""Frames of a spectrum, with a hop of 10 ms."""
REMARK = f"Each sound lasts {SECONDS} seconds."


def waveforms(subject: Subject, batch: Batch) -> None:
    """Add waveforms (batch, samples), or the spectra (batch, frames, bins) that AST takes by the same name."""
    config = subject.config
    if hasattr(config, "num_mel_bins") and hasattr(config, "max_length") and hasattr(config, "frequency_stride"):
        shape = f"{config.max_length}, {config.num_mel_bins}"
    else:
        shape = f"{SECONDS * SAMPLES_PER_SECOND}"
        batch.remarks.append(REMARK)
    batch.add("input_values", f"torch.randn(batch_size, {shape}, device=device)")


def spectra(subject: Subject, batch: Batch) -> None:
    """Add spectra: (batch, bins, frames) for Whisper and its kin, which pad to one length, else (batch, frames, bins).

    Raises `ValueError` for a configuration that does not say how many bins there are.
    """
    config = getattr(subject.config, "audio_config", None) or getattr(subject.config, "encoder_config", None)
    config = config or subject.config
    frames = SECONDS * FRAMES_PER_SECOND
    if (
        hasattr(config, "num_mel_bins")
        and hasattr(config, "max_source_positions")
        and not hasattr(config, "conv_kernel_sizes")
    ):
        shape = f"{config.num_mel_bins}, {2 * config.max_source_positions}"
    else:
        names = ("feature_projection_input_dim", "input_feat_per_channel", "num_mel_bins")
        bins = next((getattr(config, name) for name in names if hasattr(config, name)), None)
        if bins is None:
            raise ValueError(f"the inputs of {subject.name} are not known: write its step into a file")
        if hasattr(config, "feature_projection_input_dim"):  # it stacks two frames
            frames //= 2
        shape = f"{frames}, {bins}"
        batch.remarks.append(REMARK)
    batch.add("input_features", f"torch.randn(batch_size, {shape}, device=device)")

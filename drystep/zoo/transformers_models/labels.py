"""What a model of each task computes its loss from."""

from drystep.zoo.transformers_models.detection_labels import (
    boxes,
    boxes_and_masks,
    boxes_of_phrases,
    class_count,
    masks,
)
from drystep.zoo.transformers_models.images import value_at
from drystep.zoo.transformers_models.subject import Batch, Labels, Subject
from drystep.zoo.transformers_models.texts import CHOICES, id_range, text_tokens

MASKED = 0.15
"""Part of a text that masked language models guess (Devlin et al., 2019, section 3.1)."""
DEFAULT_TRANSCRIPT = 128
"""Tokens of a transcript."""


def class_of_each(subject: Subject, batch: Batch) -> None:
    """One class for each example, or a number where the head has one output."""
    classes = class_count(subject, batch)
    if classes == 1:
        batch.add("labels", "torch.rand(batch_size, device=device)")
    else:
        batch.add("labels", f"torch.randint({classes}, (batch_size,), device=device)")


def class_of_each_token(subject: Subject, batch: Batch) -> None:
    """One class for each token."""
    batch.add("labels", f"torch.randint({class_count(subject, batch)}, input_ids.shape, device=device)")


def class_of_each_pixel(subject: Subject, batch: Batch) -> None:
    """One class for each pixel."""
    batch.add("labels", f"torch.randint({class_count(subject, batch)}, (batch_size, *image_size), device=device)")


def depth_of_each_pixel(subject: Subject, batch: Batch) -> None:
    """A distance for each pixel."""
    batch.add("labels", "torch.rand(batch_size, *image_size, device=device)")


def next_tokens(subject: Subject, batch: Batch) -> None:
    """The text itself: the model shifts it."""
    batch.arguments["labels"] = "input_ids"


def masked_tokens(subject: Subject, batch: Batch) -> None:
    """The text where it is to be guessed, and -100, which the loss leaves out, elsewhere."""
    batch.add("labels", f"input_ids.masked_fill(torch.rand(input_ids.shape, device=device) > {MASKED}, -100)")


def written_text(subject: Subject, batch: Batch) -> None:
    """The text that a decoder is to write; for a model without an encoder, what it reads."""
    if subject.takes("input_ids") and not (subject.config.is_encoder_decoder or subject.text_config.is_encoder_decoder):
        next_tokens(subject, batch)
        return
    config = subject.config.get_text_config(decoder=True)
    batch.suited.add("tokens")
    batch.add(
        "labels", f"torch.randint({id_range(subject, config)}, (batch_size, {text_tokens(subject)}), device=device)"
    )


def transcript(subject: Subject, batch: Batch) -> None:
    """The text of a sound, without the blank that CTC puts between tokens."""
    batch.suited.add("tokens")
    tokens = subject.settings.tokens or DEFAULT_TRANSCRIPT
    batch.add("labels", f"torch.randint({id_range(subject)}, (batch_size, {tokens}), device=device)")


def answer_span(subject: Subject, batch: Batch) -> None:
    """First and last token of the answer."""
    for name in ("start_positions", "end_positions"):
        batch.add(name, "torch.randint(input_ids.shape[1], (batch_size,), device=device)")


def right_choice(subject: Subject, batch: Batch) -> None:
    """Number of the right answer."""
    batch.add("labels", f"torch.randint({CHOICES}, (batch_size,), device=device)")


def follows_or_not(subject: Subject, batch: Batch) -> None:
    """Whether the second sentence follows the first."""
    batch.add("labels", "torch.randint(2, (batch_size,), device=device)")


def pretraining(subject: Subject, batch: Batch) -> None:
    """What pretraining needs: masked patches, masked tokens and the order of sentences, or replaced tokens."""
    sentence = next((name for name in ("next_sentence_label", "sentence_order_label") if subject.takes(name)), None)
    if subject.takes("bool_masked_pos"):
        masked_patches(subject, batch)
    elif sentence:
        masked_tokens(subject, batch)
        batch.add(sentence, "torch.randint(2, (batch_size,), device=device)")
    elif subject.takes("labels") and subject.config.model_type in ("electra", "funnel"):
        batch.add("labels", "torch.randint(2, input_ids.shape, device=device)")
    elif subject.takes("labels"):
        next_tokens(subject, batch)


def masked_patches(subject: Subject, batch: Batch) -> None:
    """Which patches are hidden: nine tenths of a clip's, half of an image's, and the same number in each example."""
    patch = value_at(subject.config, "patch_size")
    clip = value_at(subject.config, "tubelet_size")
    patches = f"(image_size[0] // {patch}) * (image_size[1] // {patch})"
    if clip:
        patches = f"{subject.config.num_frames // clip} * {patches}"
    batch.lines += [
        f"patches = {patches}",
        "bool_masked_pos = torch.zeros(batch_size, patches, dtype=torch.bool, device=device)",
        f"bool_masked_pos[:, : {'patches * 9 // 10' if clip else 'patches // 2'}] = True",
    ]
    batch.arguments["bool_masked_pos"] = "bool_masked_pos"
    if subject.takes("labels"):
        classes = subject.config.vocab_size
        batch.add("labels", f"torch.randint({classes}, (int(batch_size * (patches // 2)),), device=device)")


def contrast(subject: Subject, batch: Batch) -> None:
    """Images and texts of one example belong together."""
    batch.arguments["return_loss"] = "True"


LABELS: dict[str, Labels] = {
    "ForImageClassification": class_of_each, "ForVideoClassification": class_of_each,
    "ForAudioClassification": class_of_each, "ForSequenceClassification": class_of_each,
    "ForTokenClassification": class_of_each_token, "ForSemanticSegmentation": class_of_each_pixel,
    "ForDepthEstimation": depth_of_each_pixel, "ForCausalLM": next_tokens, "LMHeadModel": next_tokens,
    "ModelWithLMHead": next_tokens, "ForMaskedLM": masked_tokens, "ForQuestionAnswering": answer_span,
    "ForQuestionAnsweringSimple": answer_span, "ForMultipleChoice": right_choice,
    "ForNextSentencePrediction": follows_or_not, "ForPreTraining": pretraining,
    "ForMaskedImageModeling": masked_patches, "ForCTC": transcript, "ForSegmentation": boxes_and_masks,
    "ForObjectDetection": boxes, "ForUniversalSegmentation": masks, "ForInstanceSegmentation": masks,
    "ForConditionalGeneration": written_text, "ForImageTextToText": written_text,
    "EncoderDecoderModel": written_text, "MTModel": written_text, "ForSpeechToText": written_text,
    "ForTextToText": written_text,
}  # fmt: skip
"""End of a class's name -> what its loss is computed from."""
NEW_HEADS = (
    class_of_each, class_of_each_token, class_of_each_pixel, answer_span, right_choice, boxes, boxes_and_masks, masks,
    depth_of_each_pixel, transcript,
)  # fmt: skip
"""Labels of tasks whose head is new in each task. A language model's head is trained with the model."""


def labels_of(name: str, parameters: tuple[str, ...]) -> Labels | None:
    """What adds the labels of a class by its name and what its forward takes; None for an unknown task."""
    found = next((add for end, add in LABELS.items() if name.endswith(end)), None)
    if found is boxes and "input_ids" in parameters:
        return boxes_of_phrases
    if found is masks and "mask_labels" not in parameters:
        return boxes_and_masks
    if found is None and "return_loss" in parameters:
        return contrast
    return found

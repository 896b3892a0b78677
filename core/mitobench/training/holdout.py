"""Which samples a trainer learns from and which it chooses its best weights by."""

from mitobench.errors import DataError
from mitobench.interfaces import DataSource
from mitobench.samples import SampleRef

__all__ = ["hold_out"]


def hold_out(
    training: DataSource, validation: DataSource | None, share: float
) -> tuple[list[SampleRef], list[SampleRef]]:
    """The samples to learn from and those to validate on.

    Without a validation source the last ``share`` of the training samples, at least one, are held out, in their order: a
    block, because neighbouring sections of a volume show the same objects.

    Args:
        training, validation: data sources.
        share: of the training samples, 0..1.

    Raises:
        DataError: too few samples for both.
    """
    learn = list(training.refs())
    if validation is not None:
        judge = list(validation.refs())
        if not judge:
            raise DataError(
                "the validation data source has no samples; expected at least one. Leave it out or check it."
            )
    else:
        held = max(1, round(len(learn) * share))
        learn, judge = learn[: len(learn) - held], learn[len(learn) - held :]
    if not learn:
        raise DataError(
            f"the training data source has {len(judge) if validation is None else 0} sample(s); expected at least one to learn from and "
            "one to hold out for validation. Give more samples (patch= tiles a large image) or a validation source."
        )
    return learn, judge

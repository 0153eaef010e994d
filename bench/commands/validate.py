"""`python -m bench validate`: the rows of `drystep validate`, and peaks of the suite's own models.

Those were published, or measured on the cards of `reports/measured`.
"""

from itertools import chain

from drystep.commands.validate import AsJson, ChecksFile, StepTimes, WithMemTracker, XmemTable
from drystep.validation.ground_truth import SAMPLE


def validate(
    xmem: XmemTable = SAMPLE,
    with_memtracker: WithMemTracker = False,
    out: ChecksFile = None,
    step_time: StepTimes = None,
    as_json: AsJson = False,
) -> int:
    """Simulate what others measured and published, and print predicted and measured figures with their errors.

    Exit status: 0 all rows were simulated, 1 some could not be, 2 the command was wrong.
    """
    from bench.commands.published_checks import check_published, detection_cases
    from bench.proof.measured_checks import check_measured
    from drystep.commands.validation_run import validate_runs, validate_steps

    if step_time is not None:
        return validate_steps(step_time, out, as_json)
    own = chain(check_published(), check_measured())
    return validate_runs(xmem, with_memtracker, out, as_json, own, detection_cases())

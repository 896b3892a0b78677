"""Before anything is computed: do the components that are made for certain images fit the images of a plan?"""

from mitobench.components import ComponentPlan
from mitobench.errors import DataError
from mitobench.interfaces import ImageBoundPrompter, ImageBoundSegmenter
from mitobench.plan import Plan
from mitobench.workbench import Workbench, describe

__all__ = ["check_images"]


def check_images(plan: Plan, bench: Workbench) -> None:
    """Let components that are made for certain images say what does not fit, before anything is computed or remembered.

    A prompter is told of all images at once: its prompts may be for any of them. A segmenter is told, for each data
    source, of the images that it will be asked for: it needs something for every one.

    Raises:
        DataError: prompts for an image that is not there, or none of what an image needs.
    """
    used: dict[tuple[str, str], tuple[ComponentPlan, set[str]]] = {}
    for cell in plan.with_status("run"):
        data, prompter, segmenter = cell.components
        for planned, source in ((prompter, ""), (segmenter, data.key)):
            if not planned.weights:
                used.setdefault((planned.key, source), (planned, set()))[1].add(data.key)
    for planned, sources in used.values():
        try:
            built = bench.component(planned)
        except (Exception, SystemExit):  # noqa: S112  (its cells will fail, each with this reason)
            continue
        if planned.kind == "prompter" and isinstance(built, ImageBoundPrompter):
            ids = {ref.id for key in sources for ref in plan.sources[key].refs()}
        elif planned.kind == "segmenter" and isinstance(built, ImageBoundSegmenter):
            ids = {ref.id for key in sources for ref in plan.refs(key)}
        else:
            continue
        try:
            built.check_images(ids)
        except DataError:
            raise
        except (Exception, SystemExit) as error:
            bench.plugins.warnings.append(f"{planned.label}: check_images failed ({describe(error)})")

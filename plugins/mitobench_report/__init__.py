"""Built-in plugin: reporters that write a leaderboard as a text table, Markdown, CSV, JSON and a web page."""

from mitobench import hookimpl
from mitobench.descriptors import ReporterDescriptor


@hookimpl
def mitobench_reporters() -> list[ReporterDescriptor]:
    """The reporters of this plugin."""
    return [
        ReporterDescriptor(
            name="table",
            target="mitobench_report.text_table:TextTable",
            options="mitobench_report.options:TableOptions",
            summary="plain text for a terminal, as wide as asked",
            suffix=".txt",
        ),
        ReporterDescriptor(
            name="md",
            target="mitobench_report.markdown:Markdown",
            options="mitobench_report.options:ReporterOptions",
            summary="Markdown tables",
            suffix=".md",
        ),
        ReporterDescriptor(
            name="csv",
            target="mitobench_report.csv_file:CsvFile",
            options="mitobench_report.options:CsvOptions",
            summary="every score with its interval, one row per cell, for spreadsheets",
            suffix=".csv",
        ),
        ReporterDescriptor(
            name="json",
            target="mitobench_report.json_file:JsonFile",
            options="mitobench_report.options:JsonOptions",
            summary="everything in the leaderboard; equal results give equal bytes",
            suffix=".json",
        ),
        ReporterDescriptor(
            name="html",
            target="mitobench_report.page.html_page:HtmlPage",
            options="mitobench_report.options:HtmlOptions",
            summary="one page with charts, pictures and provenance, for any browser, without a network",
            suffix=".html",
            requires=("jinja2>=3.1.2", "altair>=5.5", "vl-convert-python>=1.7"),
            citation="Satyanarayan, Moritz, Wongsuphasawat, Heer, Vega-Lite: A Grammar of Interactive Graphics, IEEE Transactions on Visualization and Computer Graphics 23, 2017, doi:10.1109/TVCG.2016.2599030",
        ),
    ]

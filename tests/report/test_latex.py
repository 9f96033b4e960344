"""LaTeX tables print every text as it stands."""

from __future__ import annotations

from nertune.report.grids import Grid
from nertune.report.latex import latex_table, latex_text


def test_what_latex_reads_as_commands_is_escaped():
    assert latex_text(r"50% of a_b & c$ #1 {x} ~^\ <i> | 0.5 ± 0.1") == (
        r"50\% of a\_b \& c\$ \#1 \{x\} \textasciitilde{}\textasciicircum{}\textbackslash{} "
        r"\textless{}i\textgreater{} \textbar{} 0.5 $\pm$ 0.1"
    )


def test_a_table_has_booktabs_rules_and_a_cell_may_begin_with_a_bracket():
    table = latex_table(Grid("F_1", ("name", "value"), [("a", "1"), ("[b]", "2")], note="100 %"))
    assert table == (
        "\\begin{table}\n\\centering\n\\caption{F\\_1}\n\\begin{tabular}{lr}\n\\toprule\nname & value \\\\\n\\midrule\n"
        "a & 1 \\\\\n{}[b] & 2 \\\\\n\\bottomrule\n\\end{tabular}\n"
        "\\par\\smallskip {\\footnotesize 100 \\%}\n\\end{table}\n"
    )

"""The look of reports and cards: one style sheet for light, dark and paper. Nothing is fetched from elsewhere."""

STYLE = """
:root {
  color-scheme: light dark;
  --page: #f6f6f3; --sheet: #ffffff; --ink: #1b2227; --soft: #5a6670; --line: #e2e4e2; --grid: #eceeec;
  --reference: #b8c1c9; --current: #0a6a7c; --shifted: #b3400f; --shifted-wash: #fdf1ea; --steady: #2a7048;
  --steady-wash: #eef6f0;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #12161a; --sheet: #1a2025; --ink: #e6eaec; --soft: #9aa7b1; --line: #2e363d; --grid: #262d33;
    --reference: #56636e; --current: #5fd0df; --shifted: #ff9a68; --shifted-wash: #2b1f19; --steady: #7fcf9e;
    --steady-wash: #18261e;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--ink); line-height: 1.5;
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
}
main { max-width: 1040px; margin: 0 auto; padding: 40px 24px 64px; }
h1 { font-size: 30px; line-height: 1.2; margin: 2px 0 4px; letter-spacing: -0.01em; }
h2 { font-size: 18px; margin: 44px 0 4px; }
h3 { font-size: 15px; margin: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
p { margin: 0; max-width: 72ch; }
a { color: inherit; text-decoration-color: var(--line); text-underline-offset: 3px; }
a:hover { text-decoration-color: currentColor; }
code { font: 0.92em ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
.over { color: var(--soft); font-size: 13px; }
.soft { color: var(--soft); }
.verdict { margin: 24px 0; padding: 18px 22px; border-radius: 8px; border-left: 5px solid; }
.verdict.shifted { background: var(--shifted-wash); border-color: var(--shifted); }
.verdict.steady { background: var(--steady-wash); border-color: var(--steady); }
.verdict strong { display: block; font-size: 20px; line-height: 1.35; }
.verdict p + p { margin-top: 6px; }
.shifted strong, .mark.shifted { color: var(--shifted); }
.steady strong { color: var(--steady); }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(260px, 1fr)); gap: 14px 24px; margin: 0; }
dt { color: var(--soft); font-size: 13px; }
dd { margin: 0; font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; margin-top: 14px; }
table { border-collapse: collapse; width: 100%; background: var(--sheet); border-radius: 8px; }
th, td { padding: 9px 14px; text-align: left; border-bottom: 1px solid var(--line); white-space: nowrap; }
tr:last-child td { border-bottom: 0; }
th { color: var(--soft); font-size: 13px; font-weight: 500; }
td { font-variant-numeric: tabular-nums; }
.figure { text-align: right; }
.mark { font-weight: 600; }
.mark.steady { color: var(--soft); font-weight: 400; }
.gauge { position: relative; display: inline-block; width: 110px; height: 8px; margin-left: 12px;
  border-radius: 4px; background: var(--grid); }
.gauge i { position: absolute; left: 0; top: 0; bottom: 0; border-radius: 4px; background: var(--reference); }
.gauge i.shifted { background: var(--shifted); }
.gauge b { position: absolute; top: -3px; bottom: -3px; width: 2px; background: var(--ink); }
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(420px, 100%), 1fr)); gap: 18px;
  margin-top: 16px; }
figure { margin: 0; padding: 16px 18px 10px; background: var(--sheet); border: 1px solid var(--line);
  border-radius: 8px; break-inside: avoid; }
figure header { display: flex; justify-content: space-between; gap: 12px; align-items: baseline; }
figcaption { color: var(--soft); font-size: 13px; min-height: 20px; margin-bottom: 6px;
  font-variant-numeric: tabular-nums; }
.plot { display: block; width: 100%; height: auto; }
.plot .reference { fill: var(--reference); }
.plot .current { fill: var(--current); }
.plot .current-line { fill: none; stroke: var(--current); stroke-width: 2; stroke-linejoin: round; }
.plot .grid { stroke: var(--grid); }
.plot .axis { stroke: var(--soft); stroke-opacity: 0.6; }
.plot .tick { fill: var(--soft); font-size: 11px; font-variant-numeric: tabular-nums; }
.plot .end { text-anchor: end; }
.plot .middle { text-anchor: middle; }
.plot .hover { fill: var(--ink); fill-opacity: 0; }
.plot .hover:hover { fill-opacity: 0.06; }
.notes p { margin-top: 8px; color: var(--soft); font-size: 14px; max-width: 84ch; }
@media print {
  :root { --page: #fff; --sheet: #fff; --ink: #000; --soft: #444; --line: #ccc; --grid: #e4e4e4; --reference: #bbb;
    --current: #0a5a6a; --shifted: #9a3208; --shifted-wash: #fff; --steady: #1f5a38; --steady-wash: #fff; }
  body { font-size: 10.5pt; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  main { max-width: none; padding: 0; }
  .plots { grid-template-columns: 1fr 1fr; gap: 10px; }
  .verdict { border: 1px solid; border-left-width: 5px; }
  h2 { break-after: avoid; }
  tr { break-inside: avoid; }
  a { text-decoration: none; }
}
"""

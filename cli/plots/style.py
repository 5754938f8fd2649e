"""The look of a page of plots, in light and dark. Nothing is fetched from elsewhere."""

STYLE = """
:root {
  color-scheme: light dark;
  --page: #f6f6f3; --sheet: #ffffff; --ink: #1b2227; --soft: #5a6670; --line: #e2e4e2; --grid: #eceeec;
  --good: #0a6a7c; --bad: #c5ced3; --gain: #2a7048; --loss: #b3400f;
  --s0: #0a6a7c; --s1: #b3560f; --s2: #6a4fa3; --s3: #2a7048; --s4: #a63268; --s5: #6b6f1f;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #12161a; --sheet: #1a2025; --ink: #e6eaec; --soft: #9aa7b1; --line: #2e363d; --grid: #262d33;
    --good: #6fe0ee; --bad: #37434b; --gain: #7fcf9e; --loss: #ff9a68;
    --s0: #5fd0df; --s1: #ffab6b; --s2: #b7a1ec; --s3: #7fcf9e; --s4: #f08fb8; --s5: #cdd06a;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 36px 20px 64px; }
h1 { font-size: 28px; line-height: 1.2; margin: 0 0 4px; letter-spacing: -0.01em; overflow-wrap: anywhere; }
h2 { font-size: 18px; margin: 40px 0 10px; }
h3 { font-size: 15px; margin: 0 0 12px; overflow-wrap: anywhere; }
p { margin: 0 0 8px; max-width: 76ch; }
.soft { color: var(--soft); }
.after { margin-top: 12px; }
.note { border-left: 4px solid var(--loss); padding: 6px 14px; background: var(--sheet); margin-top: 12px; }
.wide { overflow-x: auto; }
.sheet { background: var(--sheet); border: 1px solid var(--line); border-radius: 8px; padding: 16px 18px; }
.sheet + .sheet { margin-top: 16px; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(440px, 100%), 1fr)); gap: 16px; }
.pair .sheet + .sheet { margin-top: 0; }
.pair > * { min-width: 0; }
table { border-collapse: collapse; width: 100%; background: var(--sheet); }
th, td { padding: 7px 12px; text-align: left; border-bottom: 1px solid var(--line); vertical-align: top; }
tr:last-child > * { border-bottom: 0; }
th { color: var(--soft); font-size: 13px; font-weight: 500; }
thead th { color: var(--ink); font-weight: 600; white-space: nowrap; }
th:first-child { position: sticky; left: 0; background: var(--sheet); min-width: 104px; }
td { font-variant-numeric: tabular-nums; min-width: 116px; overflow-wrap: anywhere; }
.differs th::after { content: " \\2260"; color: var(--loss); }
.gain { color: var(--gain); } .loss { color: var(--loss); }
.key { display: inline-block; width: 11px; height: 11px; border-radius: 50%; margin-right: 7px; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; font-size: 13px; margin-bottom: 10px; }
.s0 { --own: var(--s0); } .s1 { --own: var(--s1); } .s2 { --own: var(--s2); } .s3 { --own: var(--s3); }
.s4 { --own: var(--s4); } .s5 { --own: var(--s5); }
i.key { background: var(--own); }
.frame { display: grid; grid-template-columns: 52px 1fr; column-gap: 6px; padding-right: 10px; }
.frame .name, .left, .lower, .heads, .feet { color: var(--soft); font-size: 12px; line-height: 1.25; }
.frame .name { grid-column: 1 / -1; padding-bottom: 8px; }
.frame .below { grid-column: 2; padding: 2px 0 0; text-align: center; }
.frame .lower { grid-column: 2; }
.left, .lower, .heads, .feet { position: relative; font-variant-numeric: tabular-nums; }
.left span { position: absolute; right: 0; transform: translateY(-50%); }
.lower { height: 22px; }
.lower span { position: absolute; top: 5px; transform: translateX(-50%); }
.area { display: block; width: 100%; height: 260px; overflow: visible; }
.area svg { overflow: visible; }
.area .grid { stroke: var(--grid); }
.area path { fill: none; }
.frame .best { stroke: var(--own); stroke-width: 2; stroke-linejoin: round; }
.complete { fill: var(--own); fill-opacity: 0.55; }
.pruned { fill: var(--sheet); stroke: var(--own); stroke-width: 1.5; }
.failed { fill: var(--loss); }
.beyond { fill: none; stroke: var(--own); stroke-dasharray: 2 2; }
circle:hover { fill-opacity: 1; stroke: var(--ink); stroke-width: 2; }
.parallel { padding: 0 48px; }
.parallel .area { height: 230px; }
.parallel .axis { stroke: var(--soft); stroke-opacity: 0.5; }
.heads { height: 82px; } .feet { height: 22px; }
.heads span, .feet span { position: absolute; transform: translateX(-50%); text-align: center; width: 96px;
  overflow-wrap: anywhere; }
.heads span { bottom: 5px; } .feet span { top: 5px; }
.heads b { display: block; color: var(--ink); font-weight: 600; }
.trial { stroke: color-mix(in srgb, var(--good) var(--share), var(--bad)); stroke-width: 1.6;
  stroke-linejoin: round; }
.trial.best { stroke-width: 3.2; stroke: var(--good); }
.trial:hover { stroke: var(--ink); stroke-width: 3.2; }
.bar { display: grid; grid-template-columns: minmax(96px, 34%) 1fr 44px; gap: 12px; align-items: center;
  padding: 4px 0; font-size: 14px; line-height: 1.25; }
.track { height: 12px; border-radius: 3px; background: var(--grid); overflow: hidden; }
.track i { display: block; height: 100%; background: var(--good); }
.figure { text-align: right; font-variant-numeric: tabular-nums; }
@media (max-width: 600px) {
  main { padding: 22px 12px 40px; }
  .sheet { padding: 14px 12px; }
  th, td { padding: 7px 8px; }
  th:first-child { min-width: 76px; padding-left: 0; }
  td { min-width: 100px; }
  thead th { white-space: normal; overflow-wrap: anywhere; }
  h1 { font-size: 23px; }
}
"""

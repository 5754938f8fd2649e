"""What a diff's page adds to the style of the drift report. Called by `report`."""

from tidemill.pages.style import STYLE as DRIFT

STYLE = (
    DRIFT
    + """
:root { --added: #1d6b46; --added-wash: #e7f4ec; --removed: #a4331a; --removed-wash: #fbebe6; --changed: #0a6a7c;
  --same: #d5d9d6; }
@media (prefers-color-scheme: dark) {
  :root { --added: #7fd3a2; --added-wash: #17291f; --removed: #ff9d84; --removed-wash: #311c17; --changed: #5fd0df;
    --same: #3a434b; }
}
.verdict.changed { background: var(--sheet); border-color: var(--changed); }
.numbers { display: grid; grid-template-columns: repeat(4, 1fr); gap: 12px; margin: 18px 0 0; }
.numbers div { background: var(--sheet); border: 1px solid var(--line); border-radius: 8px; padding: 12px 16px; }
.numbers dd { font-size: 24px; line-height: 1.25; font-weight: 600; letter-spacing: -0.01em; }
.numbers .added dd, .word.added { color: var(--added); }
.numbers .removed dd, .word.removed { color: var(--removed); }
.numbers .changed dd, .word.changed { color: var(--changed); }
.numbers .none dd { color: var(--soft); font-weight: 400; }
.strip { display: flex; height: 10px; margin: 14px 0 2px; border-radius: 5px; overflow: hidden; gap: 1px; }
.strip i { display: block; min-width: 3px; }
.strip .added { background: var(--added); } .strip .removed { background: var(--removed); }
.strip .changed { background: var(--changed); } .strip .same { background: var(--same); }
.word { font-weight: 600; }
h4 { font-size: 14px; margin: 26px 0 0; }
h4 .soft { font-weight: 400; }
td.top { vertical-align: top; }
td .edit { display: grid; grid-template-columns: minmax(110px, auto) 1fr; gap: 3px 12px;
  align-items: baseline; white-space: normal; }
td .step { margin-left: 10px; color: var(--soft); white-space: nowrap; }
td .edit > div { display: contents; }
del, ins { text-decoration: none; padding: 1px 6px; border-radius: 4px; white-space: pre-wrap;
  overflow-wrap: anywhere; }
del { background: var(--removed-wash); color: var(--removed); text-decoration: line-through;
  text-decoration-thickness: 1px; }
ins { background: var(--added-wash); color: var(--added); }
del.none { text-decoration: none; }
.void { color: var(--soft); font-style: italic; }
td .value { display: inline-block; max-width: 34ch; overflow: hidden; text-overflow: ellipsis;
  vertical-align: bottom; }
.bar { display: inline-block; height: 8px; border-radius: 4px; background: var(--changed);
  vertical-align: middle; }
details { margin-top: 14px; }
summary { cursor: pointer; color: var(--soft); }
details p { margin: 8px 0 0; max-width: none; overflow-wrap: anywhere; }
@media (max-width: 620px) { .numbers { grid-template-columns: 1fr 1fr; } }
@media print {
  :root { --added: #1d5a3a; --added-wash: #fff; --removed: #8a2a12; --removed-wash: #fff; --changed: #0a5a6a;
    --same: #ccc; }
  .wide { overflow-x: visible; }
  th, td { padding: 4px 6px; white-space: normal; font-size: 8pt; overflow-wrap: anywhere; }
  td.figure { white-space: nowrap; }
  ins { font-weight: 600; }
}
"""
)

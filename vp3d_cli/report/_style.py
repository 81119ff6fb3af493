"""The look of the page: light and dark, wide and narrow, on paper."""

STYLE = """
:root{color-scheme:light dark;--paper:#f4f5f7;--card:#fff;--ink:#16191f;--muted:#596273;
--rule:#dfe2e8;--accent:#0b62c4;--curve:#0b62c4;--before:#78849a;--filled:#c9ced8;--risky:#f5c26b;
--problem:#b3261e;--problem-bg:#fdecea;--check:#8a5200;--check-bg:#fff4de;--note:#41506b;
--note-bg:#eef2f8;--good:#1a6b34;--good-bg:#e6f5ea}
@media (prefers-color-scheme:dark){:root{--paper:#0f1217;--card:#181c24;--ink:#e8ebf0;
--muted:#a1abbc;--rule:#2c3340;--accent:#7db8ff;--curve:#6db0ff;--before:#77839a;--filled:#3b4353;
--risky:#7a5516;--problem:#ff9d94;--problem-bg:#3a1a18;--check:#ffc46b;--check-bg:#35280f;
--note:#b4c4e0;--note-bg:#1f2735;--good:#86dba0;--good-bg:#15301e}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;scroll-behavior:smooth}
body{margin:0;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main,header,footer{max-width:1080px;margin:0 auto;padding:0 20px}
header{padding-top:32px}
h1{font-size:1.75rem;line-height:1.2;margin:0 0 4px;overflow-wrap:anywhere}
h2{font-size:1.25rem;margin:40px 0 12px}
h3{font-size:1.1rem;margin:0 0 4px}
h4{font-size:.85rem;font-weight:600;margin:16px 0 4px;display:flex;gap:12px;flex-wrap:wrap}
p{margin:0 0 8px}
a{color:var(--accent)}
code{font:0.9em ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;white-space:nowrap}
.muted,.none,figcaption small,.why{color:var(--muted)}
.sub{color:var(--muted);margin:0;overflow-wrap:anywhere}
.card{background:var(--card);border:1px solid var(--rule);border-radius:12px;padding:16px 20px;
margin:0 0 16px}
.verdict{display:flex;align-items:center;gap:14px;margin-top:20px;border:0;font-size:1.15rem;
font-weight:600}
.verdict svg{width:28px;height:28px;flex:none}
.verdict small{display:block;font-weight:400;font-size:.95rem;color:var(--ink)}
.problem{color:var(--problem)}.check{color:var(--check)}.note{color:var(--note)}
.good{color:var(--good)}
.verdict.problem,.badge.problem{background:var(--problem-bg)}
.verdict.check,.badge.check{background:var(--check-bg)}
.verdict.good,.badge.good{background:var(--good-bg)}.badge.note{background:var(--note-bg)}
.badge{display:inline-block;border-radius:99px;padding:1px 10px;font-size:.75rem;font-weight:600;
white-space:nowrap}
ul.advice{list-style:none;margin:0;padding:0;display:grid;gap:12px}
ul.advice li{margin:0;border-left:4px solid currentColor}
ul.advice li.card>*{color:var(--ink)}ul.advice li .badge{color:inherit}
ul.advice h3{display:flex;gap:10px;align-items:center;flex-wrap:wrap;color:var(--ink)}
ul.advice li.problem .badge{color:var(--problem)}ul.advice li.check .badge{color:var(--check)}
ul.advice li.note .badge{color:var(--note)}
.next{margin:0}.next b{font-weight:600}
dl.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(210px,1fr));gap:14px 24px;
margin:0}
dl.facts dt{color:var(--muted);font-size:.8rem}dl.facts dd{margin:0;overflow-wrap:anywhere}
.scroll{overflow-x:auto;padding:4px 0}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:.92rem}
th,td{text-align:right;padding:8px 12px;border-bottom:1px solid var(--rule);white-space:nowrap}
th{color:var(--muted);font-weight:600;font-size:.8rem;vertical-align:bottom;line-height:1.25;
white-space:normal}
tbody tr:last-child td,tbody tr:last-child th{border-bottom:0}
th:first-child,td:first-child{text-align:left}
tbody th,td{vertical-align:middle}
tbody th{color:var(--ink);white-space:nowrap;font-size:.92rem}
td small{color:var(--muted)}
.gallery{display:grid;grid-template-columns:repeat(auto-fill,minmax(230px,1fr));gap:16px;margin:0;
padding:0;list-style:none}
figure{margin:0;background:var(--card);border:1px solid var(--rule);border-radius:12px;
overflow:hidden;height:100%}
figure img{display:block;width:100%;aspect-ratio:4/3;object-fit:contain;background:#0b0d11}
figcaption{padding:10px 14px 12px;font-size:.9rem}
figcaption b{display:flex;justify-content:space-between;gap:8px}
figcaption small{display:block;font-size:.85rem}
figure:target,li:target figure{outline:3px solid var(--accent)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:1px;
background:var(--rule);border:1px solid var(--rule);border-radius:10px;overflow:hidden;
margin:14px 0}
.tile{background:var(--card);padding:10px 14px}
.tile>span{display:block;color:var(--muted);font-size:.8rem}
.tile b{font-size:1.3rem;font-weight:600;font-variant-numeric:tabular-nums}
.tile small{color:var(--muted);display:block;font-size:.8rem;line-height:1.3}
.unit{font-size:.85rem;font-weight:400;color:var(--muted)}
.plots{position:relative;margin:8px 0 4px}
.plot{display:flex;gap:8px;height:110px;margin-top:10px}
.axis{position:relative;width:40px;flex:none;font-size:.72rem;color:var(--muted);
font-variant-numeric:tabular-nums}
.axis span{position:absolute;right:0;transform:translateY(-50%)}
.plot svg{flex:1;min-width:0;height:100%;display:block;background:transparent;
border-bottom:1px solid var(--muted)}
.plot svg *{vector-effect:non-scaling-stroke}
.grid{stroke:var(--rule);stroke-width:1}
path{fill:none;stroke-linejoin:round;stroke-linecap:round}
path.after{stroke:var(--curve);stroke-width:2}path.before{stroke:var(--before);stroke-width:1.3}
rect.filled{fill:var(--filled)}rect.risky{fill:var(--risky)}
.keys{font-weight:400;font-size:.85rem;color:var(--muted);display:flex;gap:14px;flex-wrap:wrap}
.key{display:inline-flex;align-items:center;gap:6px}
.key::before{content:"";width:18px;height:3px;border-radius:2px;background:var(--curve)}
.key.before::before{background:var(--before)}
.key.filled::before{height:12px;background:var(--filled)}
.key.risky::before{height:12px;background:var(--risky)}
.times,.marks{position:relative;margin-left:48px;height:20px;font-size:.72rem;color:var(--muted)}
.times span{position:absolute;transform:translateX(-50%);top:2px;font-variant-numeric:tabular-nums}
.marks{height:26px;font-size:.75rem}
.marks a{position:absolute;transform:translateX(-50%);min-width:20px;height:20px;line-height:20px;
text-align:center;border-radius:99px;background:var(--note-bg);color:var(--note);font-weight:600;
text-decoration:none;padding:0 4px}
.bars{display:grid;grid-template-columns:repeat(auto-fill,minmax(210px,1fr));gap:6px 24px;
margin:8px 0;font-size:.85rem;list-style:none;padding:0}
.bars li{display:grid;grid-template-columns:7.5em 1fr 3.4em;gap:8px;align-items:center}
.bars i{display:block;height:8px;border-radius:4px;background:var(--rule);overflow:hidden}
.bars i i{background:var(--curve);border-radius:0}
.bars span:last-child{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
details summary{cursor:pointer;font-weight:600;font-size:.9rem;padding:6px 0}
dl.words dt{font-weight:600;margin-top:10px}dl.words dd{margin:0;color:var(--muted)}
footer{padding:24px 20px 40px;color:var(--muted);font-size:.85rem}
@media (max-width:560px){main,header,footer{padding-left:14px;padding-right:14px}
h1{font-size:1.4rem}.card{padding:14px}.tiles{grid-template-columns:1fr 1fr}
.plot{height:90px}.axis{width:30px}.times,.marks{margin-left:38px}
.gallery{grid-template-columns:1fr 1fr;gap:10px}figcaption{padding:8px 10px;font-size:.82rem}}
@media print{body{background:#fff}.card,figure,.plots{break-inside:avoid}}
"""

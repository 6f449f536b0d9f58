/// The page's style: one column on a phone, as many as fit on a wide screen.
let pageStyle: HTML = """

  :root { color-scheme: light }
  * { box-sizing: border-box }
  body { margin: 0 auto; padding: 0 12px 40px; max-width: 1500px; background: #fff; color: #222;
    font: 15px/1.35 Helvetica, Arial, "Liberation Sans", "DejaVu Sans", sans-serif; overflow-wrap: anywhere }
  h1 { font-size: 22px; margin: 10px 0 2px }
  h2 { font-size: 19px; margin: 28px 0 6px }
  h3 { font-size: 15px; margin: 16px 0 4px }
  p { margin: 3px 0 }
  a { color: #0072b2 }
  .small { font-size: 12px; color: #555 }
  .overview { display: grid; gap: 8px; grid-template-columns: repeat(auto-fit, minmax(165px, 1fr)); margin: 8px 0 }
  .overview a { display: block; padding: 8px 10px; background: #f2f5f8; border-radius: 8px; color: #222;
    font-size: 13px; text-decoration: none }
  .overview h2 { font-size: 13px; margin: 0; color: #0072b2 }
  .overview .large { font-size: 21px; font-weight: bold; line-height: 1.15 }
  @media (max-width: 700px) { .overview a:nth-child(n + 3) { grid-column: 1 / -1 } }
  .strip { display: flex; gap: 6px; align-items: center; margin: 4px 0; flex-wrap: wrap }
  .strip img { width: 60px; height: 60px }
  .strip p { flex: 1 1 70px }
  nav { display: flex; flex-wrap: wrap; gap: 4px 14px; font-size: 13px }
  img { object-fit: contain; background: #eee }
  .exact { image-rendering: pixelated }
  .cards { display: grid; gap: 8px; grid-template-columns: repeat(auto-fill, minmax(min(330px, 100%), 1fr)) }
  .card { margin: 0; padding: 8px; border: 1px solid #ddd; border-radius: 8px; display: flex; gap: 10px;
    align-items: flex-start }
  .card > img { width: 96px; height: 96px; flex: none }
  .card figcaption { flex: 1; min-width: 0; font-size: 14px }
  .accept, .unsure, .unknown { padding: 0 5px; border-radius: 4px; font-size: 12px; color: #fff; background: #007a59 }
  .unsure { background: #a86a00 }
  .unknown { background: #555 }
  .tables { display: flex; flex-wrap: wrap; gap: 0 36px }
  .tables > div { max-width: 100% }
  .wide { overflow-x: auto }
  table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; overflow-wrap: normal }
  table.small { font-size: 12px }
  th, td { padding: 2px 6px; text-align: right; font-weight: normal; border-bottom: 1px solid #eee }
  td { white-space: nowrap }
  th:first-child, .left { text-align: left }
  tr:first-child th { color: #555; vertical-align: bottom }
  table.small th, table.small td { padding: 2px 3px }
  table.small th:first-child { max-width: 110px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
  .confusion th, .confusion td { padding: 3px 2px; font-size: 11px; text-align: center; min-width: 24px }
  .confusion th:first-child { text-align: left; padding-right: 6px }
  .confusion th span { writing-mode: vertical-rl; max-height: 110px; overflow: hidden }
  .diagrams { display: flex; flex-wrap: wrap; gap: 8px 16px }
  .diagrams figure { margin: 0; width: 358px; max-width: 100% }
  svg { max-width: 100%; height: auto; display: block }
  .legend { list-style: none; margin: 0; padding: 0 0 0 66px; font-size: 12px }
  .legend i { display: inline-block; width: 22px; margin-right: 6px; vertical-align: middle }
  ul { margin: 4px 0; padding-left: 20px }
  details > summary { cursor: pointer; font-size: 12px; color: #0072b2; padding: 4px 0 }
  .maps { display: flex; flex-wrap: wrap; gap: 6px }
  .maps span { font-size: 11px; width: 88px }
  .maps img { display: block; width: 88px; aspect-ratio: var(--ratio); object-fit: fill; image-rendering: pixelated;
    background: var(--view) 0 0 / 100% 100% }
  .bars { display: grid; gap: 2px 16px; margin-bottom: 8px; grid-template-columns: repeat(auto-fill, minmax(min(330px, 100%), 1fr)) }
  .bars p { font-size: 12px; margin: 4px 0 0 }
  .bar { display: flex; height: 18px; overflow: hidden; border-radius: 4px }
  .bar i { overflow: hidden; color: #fff; font: 11px/18px Helvetica, Arial, sans-serif; text-align: center }

  """

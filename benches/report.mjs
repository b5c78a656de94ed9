// Reports what was measured: as a table, as JSON and as a picture.

import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';

/** A quantile: the number below which this part of the numbers is, interpolated between two of them. */
function quantile(numbers, part) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const place = (sorted.length - 1) * part;
  const [below, above] = [sorted[Math.floor(place)], sorted[Math.ceil(place)]];
  return below + (above - below) * (place % 1);
}

const median = (numbers) => quantile(numbers, 0.5);

/** What a line cost in addition to its baseline, for each round. */
const differences = (runs) => runs.map(({ microseconds, floor }) => microseconds - floor);

const cost = (runs) => median(differences(runs));

/** Prints the table and the ratios, and writes result.json and result.svg if the run was complete; returns how many limits were exceeded. */
export function report({ lines, measured, targets, memory, rounds, seconds, output, complete }) {
  const results = lines.map(({ name, traffic }) => summary(name, traffic.name, measured.get(name)));
  const ratios = targets.filter(({ of, to }) => measured.has(of) && measured.has(to)).map((target) => ratio(target, measured));
  const machine = `${cpus()[0].model.trim()}, ${cpus().length} cores`;
  const date = new Date().toISOString().slice(0, 10);

  print(results, ratios, memory);
  if (complete) {
    writeFileSync(output('result.json'), `${JSON.stringify({ date, machine, rounds, seconds, results, ratios, residentBytes: memory }, null, 2)}\n`);
    // The picture has no lines of an earlier build, whose `of` names the line that they are compared with.
    const shown = results.filter((_, index) => [undefined, lines[index].name].includes(lines[index].of));
    writeFileSync(output('result.svg'), picture(shown, `${date}, ${machine}, Envoy with one worker, the median of ${rounds} rounds`));
  }
  return ratios.filter(({ verdict }) => verdict === 'missed').length;
}

function summary(name, traffic, runs) {
  const rounded = (number, digits = 1) => Number(number.toFixed(digits));
  const of = (field) => median(runs.map((run) => run[field]));
  const spread = (part) => rounded(quantile(differences(runs), part));
  return {
    name,
    traffic,
    cost: rounded(cost(runs)),
    lowest: spread(0),
    lowerQuartile: spread(0.25),
    upperQuartile: spread(0.75),
    highest: spread(1),
    floor: rounded(of('floor')),
    perSecond: Math.round(of('perSecond')),
    p50: rounded(of('p50'), 2),
    p99: rounded(of('p99'), 2),
  };
}

/** A ratio of two lines' costs, and the quartiles of the same ratio in each round: `spread` says that a limit which they include is kept. */
function ratio({ of, to, limit, goal, spread }, measured) {
  const value = cost(measured.get(of)) / cost(measured.get(to));
  const others = differences(measured.get(to));
  const rounds = differences(measured.get(of)).map((each, round) => each / others[round]);
  const [lower, upper] = [0.25, 0.75].map((part) => Number(quantile(rounds, part).toFixed(3)));
  const verdict = value <= goal ? 'goal reached' : value <= limit ? 'kept' : spread && lower <= limit ? 'within the spread' : 'missed';
  return { of, to, value: Number(value.toFixed(3)), lower, upper, limit, goal, verdict };
}

function print(results, ratios, memory) {
  const table = (rows) => {
    const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => String(row[column]).length)));
    const shown = (row) => row.map((cell, column) => (column ? String(cell).padStart(widths[column]) : String(cell).padEnd(widths[0]))).join('  ');
    console.log(`${rows.map(shown).join('\n')}\n`);
  };
  console.log(
    '\nCPU time of Envoy for each request, in microseconds, beyond the floor: an Envoy without the filter and the same requests, measured right beside it.',
  );
  console.log('The cost is the median of the rounds; then their lowest, quartiles and highest. A ratio is one cost by another.\n');
  const cells = (line) => [line.cost, line.lowest, line.lowerQuartile, line.upperQuartile, line.highest, line.floor].map((number) => number.toFixed(1));
  table([
    ['', 'cost', 'lowest', '25 %', '75 %', 'highest', 'floor', 'requests/s', 'p50 ms', 'p99 ms'],
    ...results.map((line) => [line.name, ...cells(line), line.perSecond, line.p50.toFixed(2), line.p99.toFixed(2)]),
  ]);
  if (ratios.length)
    table([
      ['cost relative to', '', 'ratio', '25 %', '75 %', 'limit', 'goal', ''],
      ...ratios.map(({ of, to, value, lower, upper, limit, goal, verdict }) => [
        of,
        to,
        value.toFixed(2),
        lower.toFixed(2),
        upper.toFixed(2),
        limit,
        goal,
        verdict,
      ]),
    ]);
  const megabytes = (bytes) => `${(bytes / 1048576).toFixed(1)} MiB`;
  for (const [name, before] of Object.entries(memory.before))
    console.log(`resident memory under a stream of ${name}: ${megabytes(before)} before, ${megabytes(memory.after[name])} after`);
}

function picture(results, subtitle) {
  const [left, width, row, top] = [330, 400, 26, 64];
  const most = Math.max(...results.map(({ cost }) => cost));
  const height = top + results.length * row + 12;
  const escaped = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  const bars = results.map(({ name, cost }, index) => {
    const y = top + index * row;
    const long = Math.max(1, (Math.max(0, cost) / most) * width).toFixed(1);
    const color = name.startsWith('accredit') ? '#2f6f4f' : '#9aa5b1';
    return `  <text x="${left - 10}" y="${y + 14}" text-anchor="end">${escaped(name)}</text>
  <rect x="${left}" y="${y}" width="${long}" height="18" rx="2" fill="${color}"/>
  <text x="${left + Number(long) + 6}" y="${y + 14}">${cost.toFixed(1)} µs</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 ${height}" font-family="system-ui, sans-serif" font-size="13" role="img" aria-label="CPU time for each request, by filter">
  <rect width="800" height="${height}" fill="#ffffff"/>
  <g fill="#1f2933">
  <text x="16" y="24" font-size="16" font-weight="600">CPU time of Envoy for each request, beyond an Envoy without a filter</text>
  <text x="16" y="44" fill="#52606d">${escaped(subtitle)}</text>
${bars.join('\n')}
  </g>
</svg>
`;
}

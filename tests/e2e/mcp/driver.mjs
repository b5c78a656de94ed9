// What the programs in this folder share: settings and commands, lines of JSON on the standard input, and their answers, lines of JSON on the standard
// output. A program ends with its input.

import { createInterface } from 'node:readline';

// Some libraries write to the console, which would mix with the answers.
console.log = console.info = console.debug = console.error;

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** The first line. */
export async function settings() {
  const { value } = await lines.next();
  return JSON.parse(value);
}

/** Says that a server listens, and ends this process when its input ends. */
export async function ready() {
  process.stdout.write('ready\n');
  await lines.next();
  process.exit();
}

/** Answers each further line, {command, …}, with {result} or {error}: the functions by command get the line. */
export async function answer(functions) {
  for await (const line of lines) {
    const { command, ...given } = JSON.parse(line);
    const said = await functions[command](given).then(
      (result) => ({ result: result ?? null }),
      (error) => ({ error: textOf(error) }),
    );
    process.stdout.write(`${JSON.stringify(said)}\n`);
  }
  process.exit();
}

/** The text of an error, with those of its causes. */
function textOf(error) {
  const causes = [];
  for (let each = error; each; each = each.cause) causes.push(String(each.message ?? each));
  return causes.join(': ');
}

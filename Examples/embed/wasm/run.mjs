// Runs the module and compares with the scores on standard input: node run.mjs MODULE < SCORES
import fs from 'fs';

const bytes = fs.readFileSync(process.argv[2]);
const { instance } = await WebAssembly.instantiate(bytes);
const { memory, images, result, run } = instance.exports;
const x = new Float32Array(memory.buffer, images(), 28 * 28);
for (let i = 0; i < x.length; ++i) x[i] = ((i * 37) % 101) / 64 - 1;
if (run() !== 0) throw new Error('the model refused');
const scores = Array.from(new Float32Array(memory.buffer, result(), 10));
const native = fs.readFileSync(0, 'utf8').trim().split('\n').map(Number);
const difference = Math.max(...scores.map((s, i) => Math.abs(s - native[i])));
const start = performance.now();
for (let i = 0; i < 200; ++i) run();
const time = (performance.now() - start) / 200;
console.log(`${bytes.length} bytes, ${time.toFixed(2)} ms an image, largest difference ${difference}`);
if (!(difference <= 1e-5)) process.exit(1);

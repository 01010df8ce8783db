// SPDX-License-Identifier: Apache-2.0
// ONNX Runtime on the same network: node onnxruntime.mjs FILE.onnx WIDTH HEIGHT THREADS RUNS; prints milliseconds, one run
// a line. Needs `npm install onnxruntime-node` here or in $NODE_PATH. Floats in and out: the conversion from and to
// 8-bit pixels, which enlarge's numbers include, is not counted.
import { createRequire } from 'node:module';
const require = createRequire(process.env.ORT_HOME ? process.env.ORT_HOME + '/' : import.meta.url);
const ort = require('onnxruntime-node');

const [file, width, height, threads, runs] = process.argv.slice(2);
const session = await ort.InferenceSession.create(file, { intraOpNumThreads: +threads, interOpNumThreads: 1, graphOptimizationLevel: 'all' });
const data = new Float32Array(3 * width * height).map((_, i) => ((i * 2654435761) >>> 24) / 255);
const feeds = { [session.inputNames[0]]: new ort.Tensor('float32', data, [1, 3, +height, +width]) };
await session.run(feeds);
for (let i = 0; i < +runs; i++) {
    const start = process.hrtime.bigint();
    await session.run(feeds);
    console.log(Number(process.hrtime.bigint() - start) / 1e6);
}
console.error('rss', process.memoryUsage().rss, 'maxrss', process.resourceUsage().maxRSS * 1024);

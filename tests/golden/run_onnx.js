// SPDX-License-Identifier: Apache-2.0
// node run_onnx.js MODEL IN CHANNELS HEIGHT WIDTH OUT: runs MODEL with ONNX Runtime on planar float32 pixels.
// ENLARGE_ONNXRUNTIME names the folder that holds node_modules/onnxruntime-node.
const fs = require('fs');
const path = require('path');
const ort = require(path.join(process.env.ENLARGE_ONNXRUNTIME, 'node_modules/onnxruntime-node'));
const [model, input, channels, height, width, output] = process.argv.slice(2);
(async () => {
  const bytes = fs.readFileSync(input);
  const data = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
  const session = await ort.InferenceSession.create(model, {logSeverityLevel: 3});
  const result = await session.run({input: new ort.Tensor('float32', data, [1, +channels, +height, +width])});
  const values = result.output.data;
  fs.writeFileSync(output, Buffer.from(values.buffer, values.byteOffset, values.byteLength));
})().catch(error => { console.error(String(error)); process.exit(1); });

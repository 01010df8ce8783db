// SPDX-License-Identifier: Apache-2.0
// Requests in the shapes that other servers' clients send: read and checked, nothing done.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "enlarge/result.hpp"
#include "http/text.hpp"

namespace serve {

// AUTOMATIC1111's extra-single-image and extra-batch-images.
struct ExtrasRequest {
    struct Picture {
        std::string name, bytes;
    };
    std::vector<Picture> pictures;  // one, or those of a batch: at most 64
    Params options;                 // as parse_options() takes them
};
// `batch`: pictures are in imageList. Errc::argument or ::unsupported with a sentence.
enlarge::Result<ExtrasRequest> parse_extras(const std::string& body, bool batch);
// The network for an upscaler's name as those clients know it; "" for the default. "None", "Lanczos" and "Nearest" run
// none.
Params upscaler_options(const std::string& name);

// KServe's infer: one tensor of pixels in, one out. As UINT8 it is rows of pixels, [height, width, channels], 0 to 255;
// as FP32 it is planes, [channels, height, width], 0 to 1, as networks have it. A 1 may stand before either.
struct InferRequest {
    std::string id;
    int width = 0, height = 0, channels = 0;  // 1 or 3
    bool floats = false;                      // FP32 in planes
    bool batched = false;                     // the shape began with a 1
    std::string pixels;                       // as the tensor has them; floats little-endian, finite
    std::string output = "image";             // its name
    bool binary = false;                      // the answer's tensor as raw bytes
    Params options;                           // of parameters
};
// `head_bytes` as the header Inference-Header-Content-Length has it, -1 where it is not there: all is JSON then.
enlarge::Result<InferRequest> parse_infer(const std::string& body, std::int64_t head_bytes);

}  // namespace serve

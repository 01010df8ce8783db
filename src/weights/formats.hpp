// SPDX-License-Identifier: Apache-2.0
// The readers behind read_weights(), one per container (torch's two are in torch.hpp), and what tells them apart.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/limits.hpp"
#include "base/result.hpp"
#include "weights/bytes.hpp"
#include "weights/state_dict.hpp"

namespace enlarge {

// Which format the first bytes announce. Fails with one sentence that says what the file seems to be instead.
Result<WeightFormat> sniff(Bytes file);

Result<StateDict> read_safetensors(Bytes file, const Limits& limits);
// Gives a file that lies beside the model, whole; needed until the reader returns. The name comes from the model.
using FileBeside = std::function<Result<Bytes>(const std::string& name)>;

// Without `beside`, models whose tensors are kept in other files are refused.
Result<StateDict> read_onnx(Bytes file, const Limits& limits, const FileBeside& beside = {});

}  // namespace enlarge

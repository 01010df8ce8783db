// SPDX-License-Identifier: Apache-2.0
// What torch.save puts around a state dict: storages, tensors, wrapper dicts, key prefixes.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.hpp"
#include "base/result.hpp"
#include "weights/elements.hpp"
#include "weights/pickle.hpp"
#include "weights/state_dict.hpp"

namespace enlarge::torch {

// A storage as its persistent id describes it.
struct Storage {
    ElementType type = ElementType::f32;
    std::string_view key;
    std::uint64_t elements = 0;
    std::int64_t view_offset = 0;  // older files: the tensor sees the storage from here on
};
Result<Storage> read_storage(const pickle::Document& doc, pickle::Value persistent);
// Whether a persistent value is a class with its source, which older files store for each module, and no storage.
bool is_module_source(const pickle::Document& doc, pickle::Value persistent);

struct TensorRef {
    std::string name;
    Storage storage;
    Layout layout;
};

// Finds the weights in what was saved: the dict of tensors inside any wrappers ("params_ema" before "params", then
// "state_dict", "model" ...), or the module whose parameters and buffers are weights under the names that its
// state_dict() gives them (whole modules and TorchScript programs), without what names.hpp drops. Fails with
// Errc::format when there is none, or a name occurs twice, with Errc::unsupported for quantised, sparse and sharded
// weights.
Result<std::vector<TensorRef>> find_weights(const pickle::Document& doc, const Limits& limits);

// Gives the bytes of a storage, exactly `elements` long. They are needed until the next call.
using StorageSource = std::function<Result<Bytes>(const Storage&)>;

// Reads all tensors, each storage once. `swap`: the storages are big-endian.
Result<void> read_tensors(std::vector<TensorRef> refs, const StorageSource& source, bool swap, Budget& budget,
                          StateDict& out);

// The two containers.
Result<StateDict> read_zip(Bytes file, const Limits& limits);
Result<StateDict> read_legacy(Bytes file, const Limits& limits);

}  // namespace enlarge::torch

// SPDX-License-Identifier: Apache-2.0
// Writes a state dict as a safetensors file of F32 tensors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "weights/state_dict.hpp"

namespace enlarge::test {

inline std::vector<std::byte> to_safetensors(const StateDict& weights, const std::map<std::string, std::string>& metadata = {}) {
    std::string header = "{", data;
    if (!metadata.empty()) {
        header += "\"__metadata__\":{";
        for (const auto& [key, value] : metadata) header += (header.back() == '{' ? "\"" : ",\"") + key + "\":\"" + value + "\"";
        header += "}";
    }
    for (const auto& [name, tensor] : weights.tensors) {
        const std::size_t begin = data.size(), bytes = tensor.values.size() * 4;
        data.append(reinterpret_cast<const char*>(tensor.values.data()), bytes);
        if (header.size() > 1) header += ",";
        header += "\"" + name + "\":{\"dtype\":\"F32\",\"shape\":[";
        for (std::size_t i = 0; i < tensor.shape.size(); ++i) header += (i ? "," : "") + std::to_string(tensor.shape[i]);
        header += "],\"data_offsets\":[" + std::to_string(begin) + "," + std::to_string(begin + bytes) + "]}";
    }
    header += "}";
    while (header.size() % 8) header += ' ';
    const std::uint64_t size = header.size();
    std::vector<std::byte> file(8 + header.size() + data.size());
    std::memcpy(file.data(), &size, 8);
    std::memcpy(file.data() + 8, header.data(), header.size());
    std::memcpy(file.data() + 8 + header.size(), data.data(), data.size());
    return file;
}

inline void write_file(const std::string& path, const std::vector<std::byte>& bytes) {
    std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

}  // namespace enlarge::test

// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/verdict.hpp"

#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <system_error>
#include <type_traits>

#include "base/log.hpp"

namespace enlarge::cpu {
namespace {

namespace fs = std::filesystem;

// Raised whenever calibration, its gates or this file would come out otherwise.
constexpr std::uint32_t kVersion = 1;
constexpr char kMagic[16] = "enlarge verdict";
constexpr std::size_t kMostBytes = std::size_t{64} << 20;

class Writer {
public:
    template <class T>
    void put(const T& value) {
        static_assert(std::is_trivially_copyable_v<T>);
        bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
    }
    std::string bytes;
};

class Reader {
public:
    explicit Reader(const std::string& bytes) : bytes_(bytes) {}
    template <class T>
    bool get(T& value) {
        return take(&value, sizeof value);
    }
    bool take(void* to, std::size_t n) {
        if (bytes_.size() - at_ < n) return false;
        std::memcpy(to, bytes_.data() + at_, n);
        at_ += n;
        return true;
    }
    [[nodiscard]] std::size_t left() const { return bytes_.size() - at_; }

private:
    const std::string& bytes_;
    std::size_t at_ = 0;
};

std::uint64_t checksum(const std::string& bytes, std::size_t n) { return XXH3_64bits(bytes.data(), n); }

}  // namespace

fs::path verdict_file(const fs::path& folder, const Graph& graph, Isa isa) {
    XXH3_state_t state;
    XXH3_128bits_reset(&state);
    const auto add = [&](const void* data, std::size_t bytes) { XXH3_128bits_update(&state, data, bytes); };
    const auto add_values = [&](const Values& values) {
        const std::uint64_t count = values ? values->size() : 0;
        add(&count, sizeof count);
        if (count) add(values->data(), count * sizeof(float));
    };
    const auto number = [&](auto value) { add(&value, sizeof value); };
    number(kVersion);
    number(static_cast<int>(isa));
    for (const Node& node : graph.nodes()) {
        number(static_cast<int>(node.op));
        number(node.inputs.size());
        add(node.inputs.data(), node.inputs.size() * sizeof(int));
        for (const int value : {node.channels, node.kernel, node.factor}) number(value);
        number(node.alpha);
        number(node.beta);
        add_values(node.weights);
        add_values(node.bias);
    }
    const XXH128_hash_t hash = XXH3_128bits_digest(&state);
    char name[48];
    std::snprintf(name, sizeof name, "%016llx%016llx.verdict", static_cast<unsigned long long>(hash.high64),
                  static_cast<unsigned long long>(hash.low64));
    return folder / name;
}

std::optional<Verdict> recall(const fs::path& file) {
    std::error_code error;
    const std::uintmax_t size = fs::file_size(file, error);
    if (error || size > kMostBytes || size < sizeof kMagic + sizeof(std::uint64_t)) return {};
    std::string bytes(size, '\0');
    std::ifstream in(file, std::ios::binary);
    if (!in.read(bytes.data(), static_cast<std::streamsize>(size))) return {};
    const std::size_t covered = bytes.size() - sizeof(std::uint64_t);
    std::uint64_t sum = 0;
    std::memcpy(&sum, bytes.data() + covered, sizeof sum);
    bytes.resize(covered);
    if (sum != checksum(bytes, covered) || std::memcmp(bytes.data(), kMagic, sizeof kMagic) != 0) return {};

    Reader reader(bytes);
    char magic[sizeof kMagic];
    std::uint32_t version = 0, steps = 0;
    Verdict verdict;
    if (!reader.get(magic) || !reader.get(version) || version != kVersion || !reader.get(verdict.precision) ||
        !reader.get(verdict.fidelity) || !reader.get(steps) || steps > reader.left())
        return {};
    verdict.largest_v.resize(steps);
    for (std::vector<float>& largest : verdict.largest_v) {
        std::uint32_t count = 0;
        if (!reader.get(count) || count > reader.left() / sizeof(float)) return {};
        largest.resize(count);
        reader.take(largest.data(), count * sizeof(float));
        for (const float value : largest)
            if (!std::isfinite(value) || value <= 0) return {};
    }
    if (reader.left()) return {};
    return verdict;
}

void remember(const fs::path& file, const Verdict& verdict) {
    Writer writer;
    writer.put(kMagic);
    writer.put(kVersion);
    writer.put(verdict.precision);
    writer.put(verdict.fidelity);
    writer.put(static_cast<std::uint32_t>(verdict.largest_v.size()));
    for (const std::vector<float>& largest : verdict.largest_v) {
        writer.put(static_cast<std::uint32_t>(largest.size()));
        writer.bytes.append(reinterpret_cast<const char*>(largest.data()), largest.size() * sizeof(float));
    }
    writer.put(checksum(writer.bytes, writer.bytes.size()));

    std::error_code error;
    fs::create_directories(file.parent_path(), error);
    const fs::path part = file.string() + "." + std::to_string(::getpid()) + ".part";
    bool written = false;
    {
        std::ofstream out(part, std::ios::binary);
        out.write(writer.bytes.data(), static_cast<std::streamsize>(writer.bytes.size()));
        out.close();
        written = out.good();
    }
    if (written) fs::rename(part, file, error);
    if (!written || error) {
        fs::remove(part, error);
        log(LogLevel::debug, "what was measured about this network could not be kept in " + file.parent_path().string());
    }
}

}  // namespace enlarge::cpu

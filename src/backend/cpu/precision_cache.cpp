// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/precision_cache.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cmath>
#include <cstdio>
#include <cstring>
#include <type_traits>

#include "base/log.hpp"
#include "base/own_file.hpp"
#include "graph/hash.hpp"

namespace enlarge::cpu {
namespace {

namespace fs = std::filesystem;

// Raised whenever calibration, its gates or this file would come out otherwise.
constexpr std::uint32_t kVersion = 4;
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
        if (n > 0) std::memcpy(to, bytes_.data() + at_, n);  // `to` of nothing may be null
        at_ += n;
        return true;
    }
    [[nodiscard]] std::size_t left() const { return bytes_.size() - at_; }

private:
    const std::string& bytes_;
    std::size_t at_ = 0;
};

void put_table(Writer& writer, const TransformAbsMax& table) {
    writer.put(static_cast<std::uint32_t>(table.size()));
    for (const std::vector<float>& step : table) {
        writer.put(static_cast<std::uint32_t>(step.size()));
        writer.bytes.append(reinterpret_cast<const char*>(step.data()), step.size() * sizeof(float));
    }
}

bool take_table(Reader& reader, TransformAbsMax& table) {
    std::uint32_t steps = 0, count = 0;
    if (!reader.get(steps) || steps > reader.left() / sizeof(std::uint32_t)) return false;
    table.resize(steps);
    for (std::vector<float>& step : table) {
        if (!reader.get(count) || count > reader.left() / sizeof(float)) return false;
        step.resize(count);
        reader.take(step.data(), count * sizeof(float));
    }
    return true;
}

std::uint64_t checksum(const std::string& bytes, std::size_t n) { return XXH3_64bits(bytes.data(), n); }

}  // namespace

PrecisionKey precision_key(const Graph& graph, Isa isa, const KernelTable& kernels) {
    const GraphHash network = hash(graph);
    const std::uint64_t key[] = {kVersion,
                                 static_cast<std::uint64_t>(isa),
                                 static_cast<std::uint64_t>(kernels.lanes),
                                 kernels.fast_i16 ? 1U : 0U,
                                 network.high,
                                 network.low};
    const XXH128_hash_t both = XXH3_128bits(key, sizeof key);
    return {both.high64, both.low64};
}

fs::path precision_file(const fs::path& folder, const PrecisionKey& key) {
    char name[48];
    std::snprintf(name, sizeof name, "%016llx%016llx.precision", static_cast<unsigned long long>(key.high),
                  static_cast<unsigned long long>(key.low));
    return folder / name;
}

std::optional<KeptPrecision> load_precision(const fs::path& file, const PrecisionKey& key, PassesGate gate) {
    std::optional<std::string> whole = read_own_file(file, kMostBytes);
    if (!whole || whole->size() < sizeof kMagic + sizeof(std::uint64_t)) return {};
    std::string& bytes = *whole;
    const std::size_t covered = bytes.size() - sizeof(std::uint64_t);
    std::uint64_t sum = 0;
    std::memcpy(&sum, bytes.data() + covered, sizeof sum);
    bytes.resize(covered);
    if (sum != checksum(bytes, covered) || std::memcmp(bytes.data(), kMagic, sizeof kMagic) != 0) return {};

    Reader reader(bytes);
    char magic[sizeof kMagic];
    std::uint32_t version = 0;
    std::int32_t precision = 0;
    PrecisionKey whose;
    KeptPrecision kept;
    if (!reader.get(magic) || !reader.get(version) || version != kVersion || !reader.get(whose) || whose != key ||
        !reader.get(precision) || !reader.get(kept.fidelity.psnr) || !reader.get(kept.fidelity.largest))
        return {};
    const auto is = [&](Precision one) { return precision == static_cast<std::int32_t>(one); };
    if (!is(Precision::fp32) && !is(Precision::fp16) && !is(Precision::int16)) return {};
    kept.precision = static_cast<Precision>(precision);
    if (!is(Precision::fp32) && (!std::isfinite(kept.fidelity.psnr) || !(kept.fidelity.psnr <= kSamePsnr) ||
                                 !(kept.fidelity.largest >= 0) || !gate(kept.precision, kept.fidelity)))
        return {};
    for (TransformAbsMax* table : {&kept.transform_abs_max, &kept.probe})
        if (!take_table(reader, *table) || !(is(Precision::int16) ? can_be_ranges(*table) : table->empty())) return {};
    if (reader.left() > 0) return {};
    return kept;
}

void store_precision(const fs::path& file, const PrecisionKey& key, const KeptPrecision& kept) {
    Writer writer;
    writer.put(kMagic);
    writer.put(kVersion);
    writer.put(key);
    writer.put(static_cast<std::int32_t>(kept.precision));
    writer.put(kept.fidelity.psnr);
    writer.put(kept.fidelity.largest);
    put_table(writer, kept.transform_abs_max);
    put_table(writer, kept.probe);
    writer.put(checksum(writer.bytes, writer.bytes.size()));

    if (!write_own_file(file, writer.bytes))
        log(LogLevel::debug, "what was measured about this network could not be kept in " + file.parent_path().string());
}

}  // namespace enlarge::cpu

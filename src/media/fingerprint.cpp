// SPDX-License-Identifier: Apache-2.0
#include "media/fingerprint.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "media/ffmpeg.hpp"
#include "media/segment.hpp"

namespace enlarge::media {

std::string differences(const JobFingerprint& found, const JobFingerprint& expected) {
    const auto shown = [](const std::string& value) { return value.empty() ? std::string("not given") : value; };
    std::string all;
    for (const auto& [name, value] : expected) {
        const auto same_name = [&name = name](const auto& fact) { return fact.first == name; };
        const auto old = std::find_if(found.begin(), found.end(), same_name);
        const std::string was = old == found.end() ? "nothing" : old->second;
        if (was != value) all += (all.empty() ? "" : "; ") + name + " was " + shown(was) + " and is " + shown(value);
    }
    return all;
}

Result<JobFingerprint> file_fingerprint(const std::string& path) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) return Error{Errc::io, path + ": " + std::strerror(errno)};
    JobFingerprint facts{{"the input's size", std::to_string(info.st_size) + " bytes"}};
    constexpr std::int64_t kWhole = 64 << 20, kBlock = 1 << 20, kSamples = 32;
    std::ifstream in(path, std::ios::binary);
    if (!in) return Error{Errc::io, path + ": " + std::strerror(errno)};
    std::vector<char> block(kBlock);
    std::uint32_t sum = 0;
    const bool whole = info.st_size <= kWhole;
    const std::int64_t count = whole ? (info.st_size + kBlock - 1) / kBlock : kSamples;
    for (std::int64_t i = 0; i < count; ++i) {
        in.seekg(whole ? i * kBlock : (info.st_size - kBlock) / (kSamples - 1) * i);
        in.read(block.data(), kBlock);
        sum = checksum(sum, block.data(), static_cast<std::size_t>(in.gcount()));
        in.clear();
    }
    char text[16];
    std::snprintf(text, sizeof text, "%08x", sum);
    facts.emplace_back("the input's contents (checksum)", text);
    if (!whole)
        facts.emplace_back("the input's date", std::to_string(info.st_mtim.tv_sec) + " s " +
                                                   std::to_string(info.st_mtim.tv_nsec) + " ns");
    return facts;
}

std::string library_versions() {
    const std::pair<const char*, unsigned> libraries[] = {
        {"avcodec", avcodec_version()}, {"avformat", avformat_version()}, {"avfilter", avfilter_version()}};
    std::string out;
    for (const auto& [name, version] : libraries)
        out += (out.empty() ? "" : ", ") + std::string(name) + " " + std::to_string(version >> 16) + "." +
               std::to_string((version >> 8) & 255) + "." + std::to_string(version & 255);
    return out;
}

std::uint64_t hash(std::uint64_t start, const void* data, std::size_t size) {
    const auto* bytes = static_cast<const unsigned char*>(data);
    for (std::size_t i = 0; i < size; ++i) start = (start ^ bytes[i]) * 1099511628211u;
    return start;
}

std::string hex(std::uint64_t value) {
    char text[20];
    std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
    return text;
}

}  // namespace enlarge::media

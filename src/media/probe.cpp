// SPDX-License-Identifier: Apache-2.0
// Video or still picture?
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <vector>

#include "media/ffmpeg.hpp"
#include "media/input.hpp"

namespace enlarge::media {

namespace {

bool named_like_video(const std::string& path) {
    static constexpr const char* kEndings[] = {".mp4", ".mkv", ".webm", ".mov", ".avi", ".ts",  ".m2ts", ".mts", ".flv", ".m4v", ".3gp",
                                               ".mpg", ".mpeg", ".vob", ".ogv", ".wmv", ".y4m", ".nut", ".apng", ".m3u8", ".mxf", ".qt",
                                               ".h264", ".264", ".h265", ".hevc", ".ivf", ".asf", ".rm", ".rmvb", ".f4v", ".dv"};
    std::string lower = path;
    std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
    return std::any_of(std::begin(kEndings), std::end(kEndings), [&](const char* e) {
        const std::size_t n = std::strlen(e);
        return lower.size() > n && lower.compare(lower.size() - n, n, e) == 0;
    });
}

using Bytes = std::vector<unsigned char>;
bool starts(const Bytes& b, std::size_t at, const char* text, std::size_t n) {
    return b.size() >= at + n && std::memcmp(b.data() + at, text, n) == 0;
}

// An APNG says so before its first image data.
bool animated_png(const Bytes& b) {
    for (std::size_t at = 8; at + 8 <= b.size();) {
        if (starts(b, at + 4, "acTL", 4)) return true;
        if (starts(b, at + 4, "IDAT", 4)) return false;
        at += 12 + ((std::size_t{b[at]} << 24) | (std::size_t{b[at + 1]} << 16) | (std::size_t{b[at + 2]} << 8) | b[at + 3]);
    }
    return false;
}

// Walks a GIF's blocks up to its second image.
bool animated_gif(std::FILE* file) {
    unsigned char head[13], byte = 0;
    if (std::fseek(file, 0, SEEK_SET) != 0 || std::fread(head, 1, 13, file) != 13) return false;
    const auto skip_table = [&](unsigned char flags) {
        return !(flags & 0x80) || std::fseek(file, 3L << ((flags & 7) + 1), SEEK_CUR) == 0;
    };
    const auto skip_blocks = [&] {
        unsigned char size = 0;
        while (std::fread(&size, 1, 1, file) == 1) {
            if (size == 0) return true;
            if (std::fseek(file, size, SEEK_CUR) != 0) return false;
        }
        return false;
    };
    if (!skip_table(head[10])) return false;
    for (int images = 0; std::fread(&byte, 1, 1, file) == 1;) {
        if (byte == 0x21) {
            if (std::fread(&byte, 1, 1, file) != 1 || !skip_blocks()) return false;
        } else if (byte == 0x2c) {
            if (++images == 2) return true;
            unsigned char box[9];
            if (std::fread(box, 1, 9, file) != 9 || !skip_table(box[8]) || std::fread(&byte, 1, 1, file) != 1 || !skip_blocks()) return false;
        } else {
            return false;
        }
    }
    return false;
}

}  // namespace

bool is_media_file(const std::string& path) {
    if (path == "-" || path.find("://") != std::string::npos) return true;
    std::FILE* file = std::fopen(path.c_str(), "rbe");
    if (!file) {
        char name[4096];
        return named_like_video(path) || av_get_frame_filename2(name, sizeof name, path.c_str(), 1, 0) == 0;
    }
    struct Closer {
        std::FILE* file;
        ~Closer() { std::fclose(file); }
    } closer{file};
    Bytes head((64 << 10) + AVPROBE_PADDING_SIZE, 0);
    const std::size_t got = std::fread(head.data(), 1, head.size() - AVPROBE_PADDING_SIZE, file);
    if (got == 0) return named_like_video(path);
    Bytes seen(head.begin(), head.begin() + static_cast<std::ptrdiff_t>(got));
    if (starts(seen, 0, "\x89PNG\r\n\x1a\n", 8)) return animated_png(seen);
    if (starts(seen, 0, "GIF8", 4)) return animated_gif(file);
    if (starts(seen, 0, "RIFF", 4) && starts(seen, 8, "WEBP", 4)) return starts(seen, 12, "VP8X", 4) && seen.size() > 20 && (seen[20] & 2);
    // AVIF and HEIC are boxes like MP4.
    if (starts(seen, 4, "ftyp", 4))
        for (const char* brand : {"avif", "heic", "heix", "mif1", "msf1"})
            if (starts(seen, 8, brand, 4)) return false;
    route_av_log();
    AVProbeData probe{};
    probe.filename = path.c_str();
    probe.buf = head.data();
    probe.buf_size = static_cast<int>(got);
    int score = 0;
    const AVInputFormat* format = av_probe_input_format3(&probe, 1, &score);
    if (!format || score < AVPROBE_SCORE_RETRY) return named_like_video(path);
    const std::string name = format->name;
    const bool picture = name == "image2" || (name.size() > 5 && name.compare(name.size() - 5, 5, "_pipe") == 0) || name == "tty" || name == "ico";
    return !picture || named_like_video(path);
}

}  // namespace enlarge::media

// SPDX-License-Identifier: Apache-2.0
// Video or still picture?
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
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
                                               ".h264", ".264", ".h265", ".hevc", ".ivf", ".asf", ".rm", ".rmvb", ".f4v", ".dv",  ".mjpeg", ".mjpg"};
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

// Pictures that need no library to be told from video. JPEGs one after the other are a video.
bool plain_picture(const Bytes& b) {
    static constexpr unsigned char kNextJpeg[] = {0xff, 0xd9, 0xff, 0xd8};
    if (starts(b, 0, "\xff\xd8\xff", 3)) return std::search(b.begin(), b.end(), std::begin(kNextJpeg), std::end(kNextJpeg)) == b.end();
    const bool tiff = starts(b, 0, "II*\0", 4) || starts(b, 0, "MM\0*", 4);
    const bool pnm = b.size() > 2 && b[0] == 'P' && b[1] >= '1' && b[1] <= '6' && std::isspace(b[2]);
    return tiff || pnm || starts(b, 0, "BM", 2);
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

namespace {

// The first bytes of standard input, left in place for whoever reads it; empty where that is not possible.
Bytes peek(int fd, std::size_t most) {
    Bytes bytes(most);
    ssize_t got = ::pread(fd, bytes.data(), most, ::lseek(fd, 0, SEEK_CUR));
    if (got < 0) got = ::recv(fd, bytes.data(), most, MSG_PEEK);
    if (got < 0) {
        int copy[2];
        if (::pipe2(copy, O_CLOEXEC) != 0) return {};
        got = ::tee(fd, copy[1], most, 0);  // waits for the first bytes
        if (got > 0) got = ::read(copy[0], bytes.data(), static_cast<std::size_t>(got));
        ::close(copy[0]);
        ::close(copy[1]);
    }
    bytes.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return bytes;
}

bool probed_as_video(const std::string& path, const Bytes& bytes, bool otherwise) {
    if (!start_ffmpeg()) return otherwise;
    Bytes padded = bytes;
    padded.resize(bytes.size() + AVPROBE_PADDING_SIZE, 0);
    AVProbeData probe{};
    probe.filename = path.c_str();
    probe.buf = padded.data();
    probe.buf_size = static_cast<int>(bytes.size());
    int score = 0;
    const AVInputFormat* format = av_probe_input_format3(&probe, 1, &score);
    if (!format || score < AVPROBE_SCORE_RETRY) return otherwise;
    const std::string name = format->name;
    const bool picture = name == "image2" || (name.size() > 5 && name.compare(name.size() - 5, 5, "_pipe") == 0) || name == "tty" || name == "ico";
    return !picture || otherwise;
}

}  // namespace

bool is_media_file(const std::string& path) {
    if (path.find("://") != std::string::npos) return true;
    const auto moving = [](int fd) {
        const Bytes bytes = peek(fd, 16 << 10);
        return starts(bytes, 0, "\x89PNG\r\n\x1a\n", 8) ? animated_png(bytes) : probed_as_video("", bytes, false);
    };
    if (path == "-") return moving(STDIN_FILENO);
    // What is read of a pipe is gone. One that we hold open already (<(program), /dev/stdin) can be looked into; one with
    // a name of its own would lose its writer when it is closed again.
    struct stat info = {};
    if (::stat(path.c_str(), &info) == 0 && S_ISFIFO(info.st_mode)) {
        const bool held = path == "/dev/stdin" || path.starts_with("/dev/fd/") || path.starts_with("/proc/self/fd/");
        const int fd = held ? ::open(path.c_str(), O_RDONLY | O_CLOEXEC) : -1;
        const bool result = fd >= 0 ? moving(fd) : named_like_video(path);
        if (fd >= 0) ::close(fd);
        return result;
    }
    std::FILE* file = std::fopen(path.c_str(), "rbe");
    if (!file) {
        char name[4096];
        if (named_like_video(path)) return true;
        return path.find('%') != std::string::npos && start_ffmpeg() && av_get_frame_filename2(name, sizeof name, path.c_str(), 1, 0) == 0;
    }
    struct Closer {
        std::FILE* file;
        ~Closer() { std::fclose(file); }
    } closer{file};
    Bytes seen(64 << 10);
    seen.resize(std::fread(seen.data(), 1, seen.size(), file));
    if (seen.empty()) return named_like_video(path);
    if (starts(seen, 0, "\x89PNG\r\n\x1a\n", 8)) return animated_png(seen);
    if (starts(seen, 0, "GIF8", 4)) return animated_gif(file);
    if (plain_picture(seen) && !named_like_video(path)) return false;
    if (starts(seen, 0, "RIFF", 4) && starts(seen, 8, "WEBP", 4)) return starts(seen, 12, "VP8X", 4) && seen.size() > 20 && (seen[20] & 2);
    // AVIF and HEIC are boxes like MP4.
    if (starts(seen, 4, "ftyp", 4))
        for (const char* brand : {"avif", "heic", "heix", "mif1", "msf1"})
            if (starts(seen, 8, brand, 4)) return false;
    return probed_as_video(path, seen, named_like_video(path));
}

}  // namespace enlarge::media

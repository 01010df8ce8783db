// SPDX-License-Identifier: Apache-2.0
#include "media/ffmpeg.hpp"

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <mutex>

#include "base/log.hpp"

namespace enlarge::media {

namespace {

thread_local std::string last_line;

void take_log(void* object, int level, const char* format, va_list args) {
    if (level > AV_LOG_WARNING) return;
    char line[512];
    int prefix = 1;
    av_log_format_line2(object, level, format, args, line, sizeof line, &prefix);
    std::string text(line);
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
    if (text.empty()) return;
    if (level <= AV_LOG_ERROR) {
        // "[libx264 @ 0x55d0] message": the address says nothing.
        const auto end = text.find("] ");
        last_line = text.front() == '[' && end != std::string::npos ? text.substr(end + 2) : text;
    }
    log(LogLevel::debug, text);
}

Errc kind_of(int code, Errc fallback) {
    switch (code) {
        case AVERROR(ENOMEM): return Errc::memory;
        case AVERROR(ENOENT): return Errc::not_found;
        case AVERROR(EACCES):
        case AVERROR(EPERM):
        case AVERROR(ENOSPC):
        case AVERROR(EFBIG):
        case AVERROR(EPIPE):
        case AVERROR(EIO):
        case AVERROR(EROFS):
        case AVERROR(EDQUOT):
        case AVERROR(EISDIR): return Errc::io;
        case AVERROR(ETIMEDOUT):
        case AVERROR(ECONNREFUSED):
        case AVERROR(ECONNRESET):
        case AVERROR(ENETUNREACH):
        case AVERROR(EHOSTUNREACH):
        case AVERROR_HTTP_BAD_REQUEST:
        case AVERROR_HTTP_UNAUTHORIZED:
        case AVERROR_HTTP_FORBIDDEN:
        case AVERROR_HTTP_NOT_FOUND:
        case AVERROR_HTTP_OTHER_4XX:
        case AVERROR_HTTP_SERVER_ERROR: return Errc::network;
        case AVERROR_EXIT: return Errc::cancelled;
        case AVERROR_DECODER_NOT_FOUND:
        case AVERROR_ENCODER_NOT_FOUND:
        case AVERROR_DEMUXER_NOT_FOUND:
        case AVERROR_MUXER_NOT_FOUND:
        case AVERROR_FILTER_NOT_FOUND:
        case AVERROR_PROTOCOL_NOT_FOUND:
        case AVERROR_PATCHWELCOME: return Errc::unsupported;
        case AVERROR_OPTION_NOT_FOUND: return Errc::argument;
        default: return fallback;
    }
}

}  // namespace

Result<void> start_ffmpeg() {
    TRY(load_ffmpeg());
    static std::once_flag once;
    std::call_once(once, [] { av_log_set_callback(take_log); });
    return {};
}

void forget_av_log() { last_line.clear(); }

Error av_error(int code, const std::string& what, Errc fallback) {
    char text[AV_ERROR_MAX_STRING_SIZE] = {};
    av_strerror(code, text, sizeof text);
    std::string message = what + ": " + (code == AVERROR(EFBIG) ? "the file would be larger than the file system, or `ulimit -f`, allows" : text);
    if (!last_line.empty() && last_line.find(text) == std::string::npos) message += " (" + last_line + ")";
    last_line.clear();
    return {kind_of(code, fallback), message};
}

Av<AVPacket> new_packet() {
    Av<AVPacket> packet(av_packet_alloc());
    if (!packet) throw std::bad_alloc();
    return packet;
}

Av<AVFrame> new_frame() {
    Av<AVFrame> frame(av_frame_alloc());
    if (!frame) throw std::bad_alloc();
    return frame;
}

}  // namespace enlarge::media

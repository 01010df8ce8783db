// SPDX-License-Identifier: Apache-2.0
// One picture, from file to file.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <vector>

#include "command.hpp"
#include "enlarge/engine.hpp"
#include "enlarge/picture.hpp"
#include "upscale.hpp"

namespace cli {
namespace {

using enlarge::Errc;
using enlarge::Error;
using enlarge::Picture;
using enlarge::Result;

// All that a pipe gives, from the descriptor that is open.
Result<std::vector<std::byte>> read_stream(int fd, const std::string& name) {
    constexpr std::size_t kMost = std::size_t{4} << 30;
    std::vector<std::byte> bytes;
    for (std::size_t size = 0;;) {
        if (bytes.size() - size < 65536) bytes.resize(bytes.size() * 2 + 65536);
        const ssize_t got = ::read(fd, bytes.data() + size, bytes.size() - size);
        if (got < 0 && errno == EINTR && !interrupted()) continue;
        if (interrupted()) return Error{Errc::cancelled, "interrupted"};
        if (got < 0) return Error{Errc::io, name + ": cannot read: " + std::strerror(errno)};
        if (got == 0) {
            bytes.resize(size);
            return bytes;
        }
        size += static_cast<std::size_t>(got);
        if (size > kMost) return Error{Errc::limit, name + ": more than 4 GiB; give the name of a file instead"};
    }
}

// Pipes, which have no positions to go back to: "-", /dev/stdin, <(program), a fifo.
bool is_stream(const std::string& path) {
    struct stat info = {};
    return path == "-" || (::stat(path.c_str(), &info) == 0 &&
                           (S_ISFIFO(info.st_mode) || S_ISSOCK(info.st_mode) || S_ISCHR(info.st_mode)));
}

}  // namespace

Result<Picture> open_picture(const std::string& path, const UpscaleOptions& options) {
    enlarge::ReadOptions read;
    read.page = options.page - 1;
    read.allow_damaged = options.allow_damaged;
    read.cancel = interruption();
    if (!is_stream(path)) return Picture::open(path, read);
    const std::string name = path == "-" ? "standard input" : path;
    const int fd = path == "-" ? ::dup(STDIN_FILENO) : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return Error{Errc::io, name + ": cannot open: " + std::strerror(errno)};
    const auto bytes = read_stream(fd, name);
    ::close(fd);
    if (!bytes) return bytes.error();
    return Picture::read(*bytes, name, read);
}

Result<enlarge::Rect> parse_rect(const std::string& text, const char* option) {
    enlarge::Rect rect;
    char rest = 0;
    if (std::sscanf(text.c_str(), "%9d,%9d,%9d,%9d%c", &rect.x, &rect.y, &rect.width, &rect.height, &rest) == 4 && rect.x >= 0 && rect.y >= 0 &&
        rect.width > 0 && rect.height > 0)
        return rect;
    return Error{Errc::argument, std::string(option) + " '" + text + "' should be X,Y,WIDTH,HEIGHT in pixels of the input, such as 400,300,200,150"};
}

Result<enlarge::Rect> rect_within(const std::string& text, const char* option, enlarge::Size size) {
    auto rect = parse_rect(text, option);
    if (!rect) return rect;
    rect->width = std::min(rect->width, size.width - rect->x);
    rect->height = std::min(rect->height, size.height - rect->y);
    if (rect->width > 0 && rect->height > 0) return rect;
    return Error{Errc::argument, std::string(option) + " " + text + " lies outside of the picture, which has " + std::to_string(size.width) + "x" +
                                     std::to_string(size.height) + " pixels"};
}

namespace {

// Names the output and its format: by --format, the output's extension, or the input's format where that can be written.
Result<std::string> name_output(const Job& job, const UpscaleOptions& options, const Picture& picture, enlarge::WriteOptions& write) {
    if (!options.format.empty()) {
        const auto format = enlarge::parse_picture_format(options.format);
        if (!format) return format.error();
        write.format = *format;
    }
    if (!job.output.empty() && job.output != "-") return job.output;
    const enlarge::PictureFormatInfo& own = enlarge::format_info(picture.info().file_format);
    const bool alpha_lost = picture.info().format.channels % 2 == 0 && !own.alpha && options.background.empty();
    std::string extension;
    if (write.format) {
        const auto same = enlarge::format_of_path(job.input);
        if (!same || *same != *write.format) extension = enlarge::format_info(*write.format).extension;
    } else if (!own.writable || alpha_lost) {
        extension = "png";
        write.format = enlarge::PictureFormat::png;
    } else {
        const auto named = enlarge::format_of_path(job.input);
        if (!named || *named != own.format) extension = own.extension;
        write.format = own.format;
    }
    if (job.output == "-" || job.input == "-" || (is_stream(job.input) && job.folder.empty())) return std::string("-");
    return default_output(job.input, job.folder, options.inputs.suffix, extension);
}

std::string describe(const enlarge::PictureInfo& info) {
    std::string text = enlarge::format_info(info.file_format).name + std::string(", ") + std::to_string(info.size.width) + "x" +
                       std::to_string(info.size.height) + ", " + info.colour + ", ";
    text += info.format.sample == enlarge::SampleType::f32 ? "float" : std::to_string(info.format.bits) + " bit";
    if (!info.profile.empty()) text += ", profile " + info.profile;
    if (info.orientation > 1) text += ", turned upright";
    return text;
}

// How many times larger the result is along its longer way; 0 when that is left to the network.
Result<double> factor_of(const enlarge::OutputSize& wanted, enlarge::Size input) {
    if (wanted.scale > 0 || (wanted.width == 0 && wanted.height == 0)) return wanted.scale;
    const auto size = enlarge::resolve(wanted, input, 1);
    if (!size) return size.error();
    return std::max(static_cast<double>(size->width) / input.width, static_cast<double>(size->height) / input.height);
}

}  // namespace

Result<double> picture_factor(const Picture& picture, const UpscaleOptions& options) {
    const auto wanted = output_size(options.engine);
    if (!wanted) return wanted.error();
    return factor_of(*wanted, picture.info().size);
}

namespace {

// Which part of the output is wanted: all, or what --preview shows.
Result<enlarge::Rect> output_part(const UpscaleOptions& options, enlarge::Size in, enlarge::Size out) {
    if (options.preview.empty()) return enlarge::Rect{0, 0, out.width, out.height};
    const auto rect = parse_rect(options.preview, "--preview");
    if (!rect) return rect;
    return enlarge::part_of_output(*rect, in, out);
}

}  // namespace

Result<std::string> picture_output(const Job& job, const UpscaleOptions& options) {
    if (is_stream(job.input)) return std::string("-");  // it can be read once only
    const auto picture = open_picture(job.input, options);
    if (!picture) return picture.error();
    enlarge::WriteOptions write;
    return name_output(job, options, *picture, write);
}

Result<void> make_folder(const std::string& folder) {
    if (folder.empty()) return {};
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (error) return Error{Errc::io, folder + ": cannot create the folder: " + error.message()};
    return {};
}

Result<void> upscale_picture(const Job& job, const UpscaleOptions& options, Upscalers& upscalers,
                             Reporter& reporter) {
    const auto started = std::chrono::steady_clock::now();
    auto picture = open_picture(job.input, options);
    if (!picture) return std::move(picture).error();
    const enlarge::PictureInfo& info = picture->info();

    enlarge::WriteOptions write;
    write.quality = options.quality;
    write.lossless = options.lossless;
    write.overwrite = options.force;
    write.cancel = interruption();
    const auto wanted = output_size(options.engine);
    if (!wanted) return wanted.error();
    const auto factor = factor_of(*wanted, info.size);
    if (!factor) return Error(factor.error()).within(job.input);
    const auto settings = upscalers.settings(enlarge::Use::pictures, *factor);
    if (!settings) return settings.error();
    const auto model = upscalers.model(enlarge::Use::pictures, *factor);
    if (!model) return model.error();

    const auto output = name_output(job, options, *picture, write);
    if (!output) return output.error();
    if (auto made = make_folder(job.folder); !made) return made;
    if (!write.format) {
        const auto format = enlarge::format_of_path(*output);
        if (!format && *output != "-") return format.error();
        if (format) write.format = *format;
    }
    // Transparency that hides nothing needs no background.
    bool opaque = false;
    if (info.format.channels % 2 == 0 && options.background.empty() && write.format &&
        !enlarge::format_info(*write.format).alpha) {
        const auto known = picture->opaque();
        if (!known) return known.error();
        opaque = *known;
    }

    enlarge::RowSource* rows = &picture->rows();
    std::unique_ptr<enlarge::RowSource> flat;
    if (opaque || !options.background.empty()) {
        const auto background =
            opaque ? Result<enlarge::Background>(enlarge::Background()) : enlarge::parse_background(options.background);
        if (!background) return background.error();
        if (info.format.channels % 2 == 0) {
            flat = enlarge::flatten(*rows, *background);
            rows = flat.get();
        }
    }
    const auto size = enlarge::resolve(*wanted, info.size, (*model)->info().scale);
    if (!size) return Error(size.error()).within(job.input);
    const auto part = output_part(options, info.size, *size);
    if (!part) return Error(part.error()).within(job.input);

    // The pixel format of the file decides that of the result, and everything that can be refused is refused here.
    enlarge::Notice notice;
    enlarge::PixelFormat pixels = rows->format();
    if (write.format) pixels = enlarge::output_pixels(pixels, *write.format, &notice);
    if (const auto possible = enlarge::check_output(*output, part->size(), pixels, write); !possible) return possible.error();

    const auto upscaler = upscalers.upscaler(enlarge::Use::pictures, *factor);
    if (!upscaler) return upscaler.error();
    if (!options.no_provenance) write.provenance_model = (*upscaler)->info().made_by;
    reporter.start(job.input, *output);
    if (const std::string said = upscalers.remark(enlarge::Use::pictures, *factor); !said.empty())
        reporter.note({"chosen", said});
    reporter.detail(job.input + ": " + describe(info));
    reporter.detail("network: " + (*upscaler)->info().made_by);
    for (const enlarge::Notice& said : picture->notices()) reporter.note({said.code, job.input + ": " + said.text});
    if (!notice.text.empty()) reporter.note(notice);

    auto writer = enlarge::PictureWriter::create(*output, part->size(), pixels, &*picture, write);
    if (!writer) return std::move(writer).error();
    for (const enlarge::Notice& said : writer->notices()) reporter.note({said.code, *output + ": " + said.text});
    const enlarge::Progress progress = [&](double fraction) {
        reporter.progress(fraction);
        return !interrupted();
    };
    auto report = options.preview.empty() ? (*upscaler)->upscale(*rows, *writer, *size, pixels, progress)
                                          : (*upscaler)->upscale_part(*rows, *writer, *size, pixels, *part, progress);
    if (!report) return std::move(report).error();
    if (interrupted()) return Error{Errc::cancelled, "interrupted"};
    reporter.detail(*output + ": encoding what is left, and writing");
    if (auto finished = writer->finish(); !finished) return finished;

    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    char text[200];
    std::snprintf(text, sizeof text, ": %dx%d to %dx%d in %.2f s (network %.2f s, %lld tiles%s, %s)", info.size.width, info.size.height,
                  part->width, part->height, seconds, report->seconds, static_cast<long long>(report->tiles),
                  report->passes > 1 ? ", several passes" : "", (*upscaler)->description().c_str());
    JsonLine line("done");
    line.add("input", job.input).add("output", *output).add("width", part->width).add("height", part->height)
        .add("passes", report->passes).add("tiles", report->tiles).add("recomputed_tiles", report->recomputed_tiles)
        .add("network_seconds", report->seconds).add("seconds", seconds).add("path", (*upscaler)->description());
    line.add("model", (*upscaler)->model().name).add("strength", settings->strength);
    reporter.done(*output + (reporter.verbose() ? text : std::string(": ") + std::to_string(part->width) + "x" + std::to_string(part->height)),
                  std::move(line));
    return {};
}

}  // namespace cli

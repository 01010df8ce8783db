// SPDX-License-Identifier: Apache-2.0
// Writes picture files from rows: a libvips saver runs in a thread of its own and takes rows as they come.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <vector>

#include "base/cpu.hpp"
#include "base/log.hpp"
#include "image/format.hpp"
#include "pictures/boxes.hpp"
#include "pictures/jpeg_writer.hpp"
#include "pictures/load.hpp"
#include "pictures/metadata.hpp"
#include "pictures/modules.hpp"
#include "pictures/output_file.hpp"
#include "pictures/png_writer.hpp"
#include "pictures/pnm.hpp"
#include "pictures/side_work.hpp"
#include "pictures/tiff_writer.hpp"
#include "pictures/webp_writer.hpp"

namespace enlarge {
namespace {

using namespace pictures;
using enum PictureFormat;

std::string size_text(Size size) { return std::to_string(size.width) + "x" + std::to_string(size.height); }

constexpr std::int64_t kMostFittedJpeg = std::int64_t{1} << 24;  // pixels

// A bounded queue of rows between write() and the saver. Both go from top to bottom.
class RowQueue {
public:
    RowQueue(std::size_t row_bytes, int height)
        : row_bytes_(row_bytes),
          capacity_(static_cast<int>(std::clamp<std::size_t>((std::size_t{8} << 20) / std::max<std::size_t>(row_bytes, 1), 16, 4096))),
          height_(height), rows_(row_bytes * static_cast<std::size_t>(capacity_)) {}

    // False when the saver has stopped, or `asked_to_stop` says that the caller is to.
    bool push(const std::byte* row, const std::function<bool()>& asked_to_stop) {
        std::unique_lock lock(mutex_);
        while (!space_.wait_for(lock, std::chrono::milliseconds(50),
                                [&] { return stopped_ || written_ - taken_ < capacity_; }))
            if (asked_to_stop()) return false;
        if (stopped_) return false;
        std::memcpy(slot(written_), row, row_bytes_);
        ++written_;
        data_.notify_one();
        return true;
    }
    // Row `y`, which must be the next. False when the writer has given up.
    bool pop(int y, void* to) {
        std::unique_lock lock(mutex_);
        if (y != taken_ || y >= height_) return false;
        data_.wait(lock, [&] { return aborted_ || written_ > taken_; });
        if (written_ <= taken_) return false;
        std::memcpy(to, slot(taken_), row_bytes_);
        ++taken_;
        space_.notify_one();
        return true;
    }
    void stop() { set(stopped_); }    // by the saver
    void abort() { set(aborted_); }   // by the writer

private:
    std::byte* slot(int y) { return rows_.data() + row_bytes_ * static_cast<std::size_t>(y % capacity_); }
    void set(bool& flag) {
        const std::lock_guard lock(mutex_);
        flag = true;
        space_.notify_all();
        data_.notify_all();
    }
    std::size_t row_bytes_;
    int capacity_, height_;
    std::vector<std::byte> rows_;
    std::mutex mutex_;
    std::condition_variable space_, data_;
    int written_ = 0, taken_ = 0;
    bool stopped_ = false, aborted_ = false;
};

int generate(VipsRegion* out, void*, void* queue, void*, gboolean*) {
    const VipsRect& area = out->valid;
    if (area.left != 0 || area.width != out->im->Xsize) {
        vips_error("enlarge", "rows were asked for in parts");
        return -1;
    }
    for (int y = 0; y < area.height; ++y)
        if (!static_cast<RowQueue*>(queue)->pop(area.top + y, VIPS_REGION_ADDR(out, 0, area.top + y))) {
            vips_error("enlarge", "row %d did not come", area.top + y);
            return -1;
        }
    return 0;
}

}  // namespace

struct PictureWriter::State {
    State(OutputFile file_, Size size_, const PixelFormat& pixels_, PictureFormat format_, const WriteOptions& options_)
        : file(std::move(file_)), size(size_), pixels(pixels_), format(format_), options(options_) {}

    // Work that goes on is not wanted any more.
    void give_up() {
        given_up = true;
        if (queue) queue->abort();
        file.forget_name();
    }
    [[nodiscard]] bool stopped() const { return given_up || options.cancel.requested(); }
    // What failed, where it did because it was stopped, in the words of whoever stopped it.
    [[nodiscard]] Result<void> reason(Result<void> failed) const {
        if (failed.error().code == Errc::cancelled) TRY(options.cancel.check());
        return failed;
    }
    Result<void> save();          // in a thread of its own
    int run_saver(VipsImage* in, VipsTarget* target);

    std::string path;
    OutputFile file;
    Size size;
    PixelFormat pixels;
    PictureFormat format;
    WriteOptions options;
    Result<void> take_metadata(const Picture::State& source);
    Result<void> settle_colours(bool from_png);
    void name_lost_chunks();
    Result<void> put_blocks();

    ImagePtr header;  // metadata for the output that libvips writes itself
    Blocks blocks;    // and what is put into the file afterwards
    Resolution resolution;
    bool lossless_source = false;
    std::vector<Notice> notices;
    std::unique_ptr<RowQueue> queue;  // to libvips' saver
    std::atomic<bool> given_up{false};
    int written = 0;
    std::vector<std::byte> row;   // for samples that need another form
    std::unique_ptr<RowWriter> rows;  // of formats whose pixels are written here
    WebpRowWriter* webp_rows = nullptr;  // the same, of WebP
    SideWork last_steps;  // libvips' saver; of other formats what is to do when all rows are there
    // Lossless WebP is libvips' to write. Other WebP files without loss are written so again, where no quality is asked for.
    [[nodiscard]] bool lossless() const {
        return options.lossless || (format == webp && lossless_source && options.quality == 0);
    }
    [[nodiscard]] std::span<const std::byte> profile() const {
        return header ? blob(header.get(), VIPS_META_ICC_NAME) : std::span<const std::byte>();
    }
    // Whether the pixels are written here, not by libvips. Huffman tables that are fitted to a JPEG save some percent,
    // but then libjpeg holds the whole picture, 6 bytes a pixel, and one thread does all: small ones are worth it. Only
    // libvips converts grey with a profile of its own to RGB.
    [[nodiscard]] bool written_here() const {
        if (format == jpeg) return std::int64_t{size.width} * size.height > kMostFittedJpeg;
        if (format == webp) return !lossless() && !(pixels.channels <= 2 && icc_is_grey(profile()));
        return format == png || format == tiff;
    }
    [[nodiscard]] int quality() const { return options.quality ? options.quality : format_info(format).default_quality; }
    Result<void> begin_rows();
    Result<void> begin_png();
    Result<void> begin_tiff();
    Result<void> begin_jpeg();
    Result<void> begin_webp();
    Result<void> start_saver();
    Result<void> finish_rows();
    [[nodiscard]] std::string rescue_path() const { return path + ".png"; }
    Error keep_as_png(Error why);
    const std::byte* full_range(const std::byte* row);
};

namespace {

// Where libvips' saver writes to. It cannot pass errors on, so they wait here.
struct Destination {
    OutputFile* file;
    std::optional<Error> error;

    template <class T>
    gint64 keep(Result<T> result) {
        if (result) return static_cast<gint64>(*result);
        error = std::move(result).error();
        return -1;
    }
};

gint64 on_write(VipsTargetCustom*, void* data, gint64 length, Destination* to) {
    auto done = to->file->write({static_cast<const std::byte*>(data), static_cast<std::size_t>(length)});
    if (done) return length;
    to->error = std::move(done).error();
    return -1;
}
gint64 on_read(VipsTargetCustom*, void* data, gint64 length, Destination* from) {
    return from->keep(from->file->read({static_cast<std::byte*>(data), static_cast<std::size_t>(length)}));
}
// Of libvips's encoders only the one of lossless WebP says how far it has come.
void on_eval(VipsImage* image, VipsProgress*, const std::function<bool()>* stopped) {
    if ((*stopped)()) vips_image_set_kill(image, TRUE);
}
gint64 on_seek(VipsTargetCustom*, gint64 offset, int whence, Destination* in) { return in->keep(in->file->seek(offset, whence)); }

}  // namespace

int PictureWriter::State::run_saver(VipsImage* in, VipsTarget* target) {
    const gboolean without_loss = lossless() ? TRUE : FALSE;
    switch (format) {
        case jpeg:
            // 4:4:4 from quality 90 on (libvips decides).
            return vips_jpegsave_target(in, target, "Q", quality(), "optimize_coding", TRUE, nullptr);
        case webp: return vips_webpsave_target(in, target, "Q", quality(), "lossless", without_loss, "smart_subsample", TRUE, nullptr);
        case avif:
        case heic: {
            const int bits = pixels.sample == SampleType::u8 ? 8 : format_info(format).max_bits;
            const bool hevc = format == heic;
            // Full chroma from quality 90 on (libvips decides).
            return vips_heifsave_target(in, target, "Q", quality(), "bitdepth", bits,
                                        "compression", hevc ? VIPS_FOREIGN_HEIF_COMPRESSION_HEVC : VIPS_FOREIGN_HEIF_COMPRESSION_AV1, nullptr);
        }
        case jxl:
            if (without_loss) return vips_jxlsave_target(in, target, "lossless", TRUE, nullptr);
            return vips_jxlsave_target(in, target, "Q", quality(), nullptr);
        case png:
        case tiff:
        case pnm:
        case pfm:
        case gif:
        case bmp: break;
    }
    vips_error("enlarge", "no saver");
    return -1;
}

Result<void> PictureWriter::State::save() {
    ImagePtr image(vips_image_new());
    vips_image_init_fields(image.get(), size.width, size.height, pixels.channels, band_format_of(pixels), VIPS_CODING_NONE,
                           interpretation_of(pixels), 1, 1);
    if (header) copy_metadata(header.get(), image.get());
    if (resolution) image->Xres = resolution.x, image->Yres = resolution.y;
    const auto set = [&](const char* name, std::span<const std::byte> bytes) {
        vips_image_set_blob_copy(image.get(), name, bytes.data(), bytes.size());
    };
    // These take EXIF and XMP from libvips: the true XMP, and an EXIF block whose place ours takes. (libvips would
    // write it anew, with what libexif knows.)
    const bool heif = format == avif || format == heic;
    if (heif || (format == webp && !blocks.exif.empty()))
        set(VIPS_META_EXIF_NAME, std::as_bytes(std::span(kPlaceholderExif)));
    if ((heif || format == webp) && !blocks.xmp.empty()) set(VIPS_META_XMP_NAME, blocks.xmp);
    if (const auto iptc = blob(image.get(), VIPS_META_IPTC_NAME); !iptc.empty()) {
        blocks.iptc = iptc_for_jpeg(iptc);
        if (format == jpeg)
            set(VIPS_META_IPTC_NAME, blocks.iptc);
        else
            vips_image_remove(image.get(), VIPS_META_IPTC_NAME);
    }
    vips_image_set_int(image.get(), "vips-sequential", 1);
    if (vips_image_pipelinev(image.get(), VIPS_DEMAND_STYLE_THINSTRIP, nullptr) != 0 ||
        vips_image_generate(image.get(), nullptr, generate, nullptr, queue.get(), nullptr) != 0)
        return Error{Errc::internal, path + ": " + vips_message()};
    if (pixels.channels <= 2 && !format_info(format).grey && icc_is_grey(blob(image.get(), VIPS_META_ICC_NAME))) {
        // The format knows RGB only, where a grey profile would be wrong.
        VipsImage* rgb = nullptr;
        if (vips_icc_transform(image.get(), &rgb, "srgb", "embedded", TRUE, "depth", pixels.sample == SampleType::u8 ? 8 : 16, nullptr) != 0)
            return Error{Errc::format, path + ": converting grey to sRGB failed (" + vips_message() + ")"};
        image.reset(rgb);
    }
    const std::function<bool()> stop_asked = [this] { return stopped(); };
    vips_image_set_progress(image.get(), TRUE);
    g_signal_connect(image.get(), "eval", G_CALLBACK(on_eval), const_cast<std::function<bool()>*>(&stop_asked));
    Destination destination{&file, std::nullopt};
    const std::unique_ptr<VipsTargetCustom, Unref> target(vips_target_custom_new());
    g_signal_connect(target.get(), "write", G_CALLBACK(on_write), &destination);
    g_signal_connect(target.get(), "read", G_CALLBACK(on_read), &destination);
    g_signal_connect(target.get(), "seek", G_CALLBACK(on_seek), &destination);
    const int status = run_saver(image.get(), VIPS_TARGET(target.get()));
    const std::string message = status != 0 ? vips_message() : "";
    if (status != 0 && stopped()) return Error{Errc::cancelled, "stopped"};
    if (destination.error) return *destination.error;
    if (status != 0) return Error{Errc::io, path + ": the " + format_info(format).name + " file cannot be written (" + message + ")"};
    auto put = put_blocks();
    return put ? std::move(put) : Result<void>(std::move(put).error().within(path));
}

Result<void> PictureWriter::State::put_blocks() {
    switch (format) {
        case jpeg:
            return put_jpeg_blocks(file, blocks, resolution);
        case webp:
            return put_webp_exif(file, blocks.exif);
        case avif:
        case heic:
            if (blocks.exif.empty()) append(blocks.exif, kPlaceholderExif.substr(6));
            return put_heif_blocks(file, blocks);
        case jxl:
            return add_jxl_blocks(file, blocks);
        default:
            return {};
    }
}

// How the colours of the source are to be signalled. They may have been in a profile or outside of one.
Result<void> PictureWriter::State::settle_colours(bool from_png) {
    VipsImage* image = header.get();
    const char* const name = format_info(format).name;
    const bool coded =
        format == avif || format == png;  // where code points have a place (libheif writes none into HEIC)
    const Signal signal = blocks.signal;
    if (!coded) blocks.signal.codes.reset();
    if (const auto profile = blob(image, VIPS_META_ICC_NAME); !profile.empty()) {
        const bool grey = pixels.channels <= 2, turned = grey && !format_info(format).grey;
        if ((!grey && icc_is_grey(profile)) || (grey && !turned && icc_is_rgb(profile))) {
            notices.push_back({"profile-dropped", std::string("the profile is for ") + (grey ? "RGB" : "grey") +
                                                      " pictures and is left out"});
            vips_image_remove(image, VIPS_META_ICC_NAME);
        }
        return {};
    }
    if (signal.usual()) return {};
    if (is_pnm(format) && !signal.high_dynamic_range()) return {};  // said with all else
    const bool kept = signal.codes ? coded : format == png;
    const std::vector<std::byte> icc = icc_of(signal, pixels.channels <= 2);
    if (!kept && icc.empty())
        return Error{Errc::unsupported, path + ": the colours are signalled as " + signal.name() + ", which " + name +
                                            " cannot state here; choose png or avif"};
    // Not all readers of PNG know code points yet.
    const bool both = format == png && signal.codes && !from_png && !icc.empty();
    if (!kept || both) vips_image_set_blob_copy(image, VIPS_META_ICC_NAME, icc.data(), icc.size());
    return {};
}

// The names of the texts of a PNG, for people.
static std::string text_names(const std::vector<Bytes>& texts) {
    std::string names;
    int count = 0;
    for (const Bytes& text : texts) {
        std::string name = utf8(text_of(text).substr(4).c_str());
        for (char& c : name)
            if (static_cast<unsigned char>(c) < 0x20) c = '?';
        if (++count <= 5) names += (count > 1 ? ", " : "") + name.substr(0, 79);
    }
    return names + (count > 5 ? " and others" : "");
}

// What a PNG says of its samples and pixels, and this file does not say again.
void PictureWriter::State::name_lost_chunks() {
    std::vector<std::string> lost;
    if (!blocks.png_background.colours.empty() && format != png) lost.emplace_back("its background colour (bKGD)");
    if (!blocks.png_bits.colours.empty() && (format != png || !blocks.png_bits.fits(pixels)))
        lost.emplace_back("how many bits of its samples mean something (sBIT)");
    const Bytes& phys = blocks.png_phys;
    const bool shape = phys.size() == 9 && phys[8] == std::byte{0} && u32_be(phys, 0) != u32_be(phys, 4);
    if (shape && format != png) lost.emplace_back("the shape of its pixels (pHYs)");
    if (lost.empty()) return;
    std::string text = "what the PNG says of " + lost[0];
    for (std::size_t i = 1; i < lost.size(); ++i) text += (i + 1 < lost.size() ? ", " : " and ") + lost[i];
    const std::string where = format == png ? "samples of another depth" : format_info(format).name;
    notices.push_back({"metadata-dropped", text + " has no place in " + where + " and is left out"});
}

// What the new file says, and what it cannot say.
Result<void> PictureWriter::State::take_metadata(const Picture::State& source) {
    header.reset(vips_image_new());
    copy_metadata(source.image.get(), header.get());
    blocks = source.blocks;
    resolution = source.resolution;
    lossless_source = blocks.lossless;
    const std::string name = format_info(format).name;
    const bool described = !blocks.exif.empty() || !blocks.xmp.empty() || source.info.iptc ||
                           !blocks.comments.empty() || !blocks.png_texts.empty();
    const bool coloured = source.info.icc || !blocks.signal.usual();
    TRY(settle_colours(source.info.file_format == png));
    if (is_pnm(format)) {
        if (described || coloured)
            notices.push_back(
                {"metadata-dropped",
                 name + " holds pixels alone: " + (coloured ? "the colour profile (" + source.info.profile + ")" : "") +
                     (described && coloured ? " and " : "") + (described ? "the metadata" : "") +
                     " of the picture is left out"});
        return {};
    }
    name_lost_chunks();
    if (format != png && !blocks.png_texts.empty())
        notices.push_back({"metadata-dropped", "the texts of the PNG (" + text_names(blocks.png_texts) +
                                                   ") have no place in " + name + " and are left out"});
    if (format != jpeg && format != tiff && source.info.iptc)
        notices.push_back({"metadata-dropped", "IPTC records have no place in " + name + " and are left out"});
    std::string comment;
    if (format != jpeg && format != png)
        for (const std::string& text : blocks.comments)
            comment += (comment.empty() ? "" : "\n") + utf8(text.substr(0, text.find('\0')));
    const XmpClaims claims = xmp_claims(text_of(blocks.xmp));
    const bool turned = source.info.orientation > 1;
    if (!comment.empty() && claims.comment)
        notices.push_back({"metadata-dropped", "the comment of the JPEG has no place in " + name + " and is left out"});
    const bool lost = update_exif(blocks.exif, {source.info.size, size, turned});
    if (lost || (turned && claims.places))
        notices.push_back({"metadata-dropped", "places in the picture (of faces, of what is in focus) are those before it "
                                               "was turned upright, and are left out"});
    if (format == jpeg && blocks.exif.size() > kMostJpegExif) {
        notices.push_back({"metadata-dropped", "the EXIF block has " + std::to_string(blocks.exif.size()) +
                                                   " bytes, JPEG holds " + std::to_string(kMostJpegExif) +
                                                   " at most: it is left out"});
        blocks.exif.clear();
    }
    if (blocks.exif.empty() && resolution && (format == webp || format == avif || format == heic || format == jxl))
        blocks.exif = resolution_exif(resolution);
    const std::string xmp = updated_xmp(text_of(blocks.xmp), size, options.provenance_model, comment, turned);
    blocks.xmp.clear();
    append(blocks.xmp, xmp);
    return {};
}

Result<PictureFormat> check_output(const std::string& path, Size size, const PixelFormat& pixels, const WriteOptions& options) {
    PictureFormat format = PictureFormat::png;
    if (options.format) {
        format = *options.format;
    } else {
        if (path == "-") return Error{Errc::argument, "writing to standard output needs --format"};
        TRY(format, format_of_path(path));
    }
    const PictureFormatInfo& info = format_info(format);
    const auto refuse = [&](Errc code, const std::string& why) { return Error{code, path + ": " + why}; };
    if (!info.writable) return refuse(Errc::unsupported, std::string(info.name) + " is read but not written; choose png, jpg, webp, tif, avif or jxl");
    if (size.width <= 0 || size.height <= 0) return refuse(Errc::argument, "the output would have no pixels");
    if (size.width > info.max_side || size.height > info.max_side)
        return refuse(Errc::limit, "the output is " + size_text(size) + " pixels; " + info.name + " holds at most " + std::to_string(info.max_side) +
                                       " along a side (PNG and TIFF hold more)");
    if (pixels.channels % 2 == 0 && !info.alpha)
        return refuse(Errc::unsupported, std::string(info.name) + " cannot hold transparency; choose png, webp or tif, or give a --background colour");
    const bool fits = pixels.sample == SampleType::u8 ? info.u8 : pixels.sample == SampleType::u16 ? info.u16 : pixels.sample == SampleType::f32 && info.f32;
    if (!fits || pixels.planar || (pixels.sample == SampleType::u16 && pixels.bits > info.max_bits)) return refuse(Errc::unsupported, std::string(info.name) + " cannot hold samples of this type");
    if (options.lossless && !info.lossless) return refuse(Errc::argument, std::string(info.name) + " has no lossless mode; choose png, webp, tif or jxl");
    if (options.quality < 0 || options.quality > 100) return refuse(Errc::argument, "quality goes from 1 to 100");
    TRY(OutputFile::check(path, options.overwrite));
    return format;
}

PixelFormat output_pixels(const PixelFormat& input, PictureFormat format, Notice* notice) {
    const PictureFormatInfo& info = format_info(format);
    PixelFormat out = input;
    if (notice) *notice = {};
    const auto say = [&](const std::string& text) {
        if (notice) *notice = {"samples-reduced", text};
    };
    out.planar = false;
    if (input.sample == SampleType::f32 || input.sample == SampleType::f16) {
        out.sample = SampleType::f32, out.bits = 32;
        if (info.f32) return out;
        out.sample = info.u16 ? SampleType::u16 : SampleType::u8;
        out.bits = static_cast<std::uint8_t>(info.u16 ? std::min(info.max_bits, 16) : 8);
        say(std::string(info.name) + " has no float samples: written with " + std::to_string(out.bits) + " bits");
    } else if (input.sample == SampleType::u16) {
        if (!info.u16 && !info.u8) {
            out.sample = SampleType::f32, out.bits = 32;
        } else if (!info.u16) {
            out.sample = SampleType::u8, out.bits = 8;
            say(std::string(info.name) + " holds 8 bits: the " + std::to_string(input.bits) + "-bit picture is written with 8");
        } else {
            out.bits = static_cast<std::uint8_t>(info.max_bits);
            if (out.bits < input.bits)
                say(std::string(info.name) + " holds " + std::to_string(out.bits) + " bits: the " + std::to_string(input.bits) + "-bit picture is written with that");
        }
    } else if (!info.u8) {
        out.sample = SampleType::f32, out.bits = 32;
    }
    return out;
}

void PictureWriter::Release::operator()(State* state) const {
    std::shared_ptr<State> owned(state);
    owned->give_up();
    SideWork& work = owned->last_steps;
    work.leave(std::move(owned));
}

PictureWriter::PictureWriter(StatePtr state) : state_(std::move(state)) {}
PictureWriter::PictureWriter(PictureWriter&&) noexcept = default;
PictureWriter& PictureWriter::operator=(PictureWriter&&) noexcept = default;
PictureWriter::~PictureWriter() = default;

Result<PictureWriter> PictureWriter::create(const std::string& path, Size size, const PixelFormat& pixels, const Picture* source,
                                            const WriteOptions& options) {
    TRY(start_vips());
    TRY(const PictureFormat format, check_output(path, size, pixels, options));
    load_module_of(format);
    TRY(auto file, OutputFile::create(path, options.overwrite));
    StatePtr state(new State(std::move(file), size, pixels, format, options));
    state->path = path;
    if (source) {
        // Taken now: the source may be read, or closed, on another thread.
        TRY(state->take_metadata(source->state()));
    } else if (!options.provenance_model.empty()) {
        append(state->blocks.xmp, updated_xmp("", size, options.provenance_model));
    }
    if (is_pnm(format)) TRY(state->file.write(pnm_header(size, pixels, format)));
    TRY(state->begin_rows());
    return PictureWriter(std::move(state));
}

const std::vector<Notice>& PictureWriter::notices() const { return state_->notices; }

// Whether an ICC profile begins as they do and is as long as it says.
static bool is_whole(std::span<const std::byte> profile) {
    return profile.size() >= 132 && u32_be(profile, 0) == profile.size() && begins(profile, "acsp", 36);
}

// Everything before the pixels, of what is written here.
Result<void> PictureWriter::State::begin_rows() {
    if (!written_here()) return {};
    switch (format) {
        case png: return begin_png();
        case tiff: return begin_tiff();
        case webp: return begin_webp();
        default: return begin_jpeg();
    }
}

Result<void> PictureWriter::State::begin_png() {
    auto whole = profile();
    if (!whole.empty() && !is_whole(whole)) {  // readers of PNG refuse it
        notices.push_back({"profile-dropped", "the colour profile is damaged and is left out"});
        whole = {};
    }
    TRY(file.write(png_head({size, pixels, blocks, resolution, whole})));
    rows = png_writer(file, size, pixels, usable_cores());
    return {};
}

Result<void> PictureWriter::State::begin_tiff() {
    TiffDescription described{.exif = blocks.exif, .xmp = blocks.xmp, .resolution = resolution};
    if (header) {
        blocks.iptc = iptc_for_tiff(blob(header.get(), VIPS_META_IPTC_NAME));
        described.iptc = blocks.iptc;
        described.photoshop = blob(header.get(), VIPS_META_PHOTOSHOP_NAME);
        described.profile = profile();
    }
    TRY(rows, tiff_writer(file, size, pixels, usable_cores(), described));
    return {};
}

Result<void> PictureWriter::State::begin_jpeg() {
    if (const auto iptc = header ? blob(header.get(), VIPS_META_IPTC_NAME) : std::span<const std::byte>(); !iptc.empty())
        blocks.iptc = iptc_for_jpeg(iptc);
    else
        blocks.iptc.clear();
    TRY(rows, jpeg_writer(file, size, pixels, usable_cores(), quality(), {profile(), blocks.iptc, blocks, resolution}));
    return {};
}

Result<void> PictureWriter::State::begin_webp() {
    auto made = webp_writer(file, size, pixels, usable_cores(), quality(), {profile(), blocks.exif, blocks.xmp},
                            [this] { return stopped(); });
    webp_rows = made.get();
    rows = std::move(made);
    if (webp_may_refuse(size))
        notices.push_back({"webp-may-refuse",
                           "a photograph of " + size_text(size) + " pixels is more than WebP has room for; if this "
                           "picture is, it is kept as " + rescue_path()});
    return {};
}

// What libwebp refuses at the end may be hours of work.
Error PictureWriter::State::keep_as_png(Error why) {
    const auto kept = [&]() -> Result<void> {
        if (path == "-") return Error{Errc::argument, "standard output has one format"};
        TRY(auto to, OutputFile::create(rescue_path(), options.overwrite));
        const auto whole = is_whole(profile()) ? profile() : std::span<const std::byte>();
        TRY(to.write(png_head({size, pixels, blocks, resolution, whole})));
        const auto png = png_writer(to, size, pixels, usable_cores());
        TRY(webp_rows->write_again(*png));
        TRY(png->finish());
        if (stopped()) return Error{Errc::cancelled, "stopped"};
        return to.commit();
    }();
    why.message += kept ? "; it is kept as " + rescue_path() : "; it is not kept as PNG either: " + kept.error().message;
    return why;
}

Result<void> PictureWriter::State::finish_rows() {
    if (!rows) return {};
    auto done = rows->finish();
    if (!done && webp_rows && done.error().code == Errc::limit) return keep_as_png(std::move(done).error());
    return done;
}

Result<void> PictureWriter::State::start_saver() {
    const std::size_t row_bytes = static_cast<std::size_t>(size.width) * pixels.channels *
                                  static_cast<std::size_t>(sample_bytes(pixels.sample));
    queue = std::make_unique<RowQueue>(row_bytes, size.height);
    const bool started = last_steps.start([this] {
        auto saved = save();
        queue->stop();
        vips_thread_shutdown();
        return saved ? file.sync() : saved;
    });
    if (!started) return Error{Errc::memory, path + ": cannot be written: a thread cannot be started"};
    return {};
}

// A row whose 16-bit samples use all 16 bits, as PNG and libvips have them. The AVIF and HEIC savers shift down by
// 16 - max_bits again.
const std::byte* PictureWriter::State::full_range(const std::byte* from) {
    if (pixels.sample != SampleType::u16 || pixels.bits == 16) return from;
    const std::size_t samples = static_cast<std::size_t>(size.width) * pixels.channels;
    row.resize(samples * 2);
    const auto max = static_cast<std::uint32_t>((1 << pixels.bits) - 1);
    const bool heif = format == avif || format == heic;
    const std::uint32_t full = heif ? (1U << format_info(format).max_bits) - 1 : 65535U;
    const int shift = heif ? 16 - format_info(format).max_bits : 0;
    for (std::size_t i = 0; i < samples; ++i) {
        std::uint16_t value;
        std::memcpy(&value, from + 2 * i, 2);
        value = static_cast<std::uint16_t>((std::uint32_t{value} * full + max / 2) / max << shift);
        std::memcpy(row.data() + 2 * i, &value, 2);
    }
    return row.data();
}

Result<void> PictureWriter::write(const ImageView& rows) {
    State& s = *state_;
    ENSURE(rows.format == s.pixels && rows.size.width == s.size.width && rows.size.height <= s.size.height - s.written);
    const auto stopped = [&s] { return s.stopped(); };
    if (!s.rows && !is_pnm(s.format) && !s.last_steps.started()) TRY(s.start_saver());
    for (int y = 0; y < rows.size.height; ++y) {
        TRY(s.options.cancel.check());
        ++s.written;
        if (is_pnm(s.format)) {
            TRY(write_pnm_rows(s.file, rows.part({0, y, s.size.width, 1}), s.format, s.size, s.written));
            continue;
        }
        const std::byte* row = s.full_range(rows.row(0, y));
        if (s.rows) {
            TRY(s.rows->write(row));
            continue;
        }
        if (s.queue->push(row, stopped)) continue;
        TRY(s.options.cancel.check());
        TRY(s.last_steps.wait(stopped));
        return Error{Errc::internal, s.path + ": writing stopped early"};
    }
    return {};
}

Result<void> PictureWriter::finish() {
    State& s = *state_;
    ENSURE(s.written == s.size.height);
    const auto rest = [&s]() -> Result<void> {
        TRY(s.finish_rows());
        return s.file.sync();
    };
    const bool aside = s.last_steps.started() || s.last_steps.start(rest);
    if (auto done = aside ? s.last_steps.wait([&s] { return s.stopped(); }) : rest(); !done)
        return s.reason(std::move(done));
    TRY(s.options.cancel.check());
    return s.file.commit();
}

Result<void> save_picture(const std::string& path, const ImageView& image, const Picture* source, const WriteOptions& options) {
    TRY(auto writer, PictureWriter::create(path, image.size, image.format, source, options));
    TRY(writer.write(image));
    return writer.finish();
}

}  // namespace enlarge

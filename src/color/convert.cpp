// SPDX-License-Identifier: Apache-2.0
#include "color/convert.hpp"

#include <zimg.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/aligned.hpp"
#include "base/log.hpp"
#include "color/planes.hpp"
#include "image/format.hpp"
#include "image/samples.hpp"

namespace enlarge {
namespace {

struct FreeGraph {
    void operator()(zimg_filter_graph* graph) const { zimg_filter_graph_free(graph); }
};
using ZimgGraph = std::unique_ptr<zimg_filter_graph, FreeGraph>;

// Rows of the result that are made at a time. Always the same, so that the bits do not depend on the threads: zimg
// chooses the order of its steps, and with it the last bit, by the size of the result.
constexpr int kSliceRows = 128;

// Luma rows above and below a slice that its chroma is made of: 4:1:0 with Catmull-Rom reaches 8.
constexpr int kMargin = 16;

// Some rows of the result: top ... top + rows - 1, made from the source's rows begin ... end - 1.
struct Slice {
    const zimg_filter_graph* graph = nullptr;
    int top = 0, rows = 0, begin = 0, end = 0;
};

zimg_pixel_type_e pixel_type(SampleType sample) {
    switch (sample) {
        case SampleType::u8: return ZIMG_PIXEL_BYTE;
        case SampleType::u16: return ZIMG_PIXEL_WORD;
        case SampleType::f16: return ZIMG_PIXEL_HALF;
        default: return ZIMG_PIXEL_FLOAT;
    }
}

// The matrices that zimg converts without knowing the transfer characteristic.
bool is_plain_matrix(int matrix) { return matrix == 1 || (matrix >= 4 && matrix <= 9); }

// YUV as float planes, at the frame's own chroma resolution.
zimg_image_format describe(const FrameFormat& frame, Size size) {
    zimg_image_format format;
    zimg_image_format_default(&format, ZIMG_API_VERSION);
    format.width = static_cast<unsigned>(size.width);
    format.height = static_cast<unsigned>(size.height);
    format.pixel_type = ZIMG_PIXEL_FLOAT;
    format.color_family = ZIMG_COLOR_YUV;
    format.matrix_coefficients = static_cast<zimg_matrix_coefficients_e>(frame.tags.matrix);
    if (!is_plain_matrix(frame.tags.matrix)) {
        format.transfer_characteristics = static_cast<zimg_transfer_characteristics_e>(frame.tags.transfer);
        format.color_primaries = static_cast<zimg_color_primaries_e>(frame.tags.primaries);
    }
    format.subsample_w = frame.sub_x;
    format.subsample_h = frame.sub_y;
    format.chroma_location = static_cast<zimg_chroma_location_e>(static_cast<int>(frame.tags.siting) - 1);
    return format;
}

zimg_image_format describe(const PixelFormat& rgb, const zimg_image_format& frame) {
    zimg_image_format format;
    zimg_image_format_default(&format, ZIMG_API_VERSION);
    format.width = frame.width;
    format.height = frame.height;
    format.pixel_type = pixel_type(rgb.sample);
    format.depth = rgb.bits;
    format.pixel_range = ZIMG_RANGE_FULL;
    format.color_family = ZIMG_COLOR_RGB;
    format.matrix_coefficients = ZIMG_MATRIX_RGB;
    format.transfer_characteristics = frame.transfer_characteristics;
    format.color_primaries = frame.color_primaries;
    return format;
}

Result<ZimgGraph> build(const zimg_image_format& from, const zimg_image_format& to) {
    zimg_graph_builder_params params;
    zimg_graph_builder_params_default(&params, ZIMG_API_VERSION);
    // Catmull-Rom for chroma: sharper than bilinear, and hardly rings. Widened by zimg when chroma gets smaller.
    params.resample_filter = params.resample_filter_uv = ZIMG_RESIZE_BICUBIC;
    params.filter_param_a = params.filter_param_a_uv = 0;
    params.filter_param_b = params.filter_param_b_uv = 0.5;
    ZimgGraph graph(zimg_filter_graph_build(&from, &to, &params));
    if (graph) return graph;
    char message[256] = "";
    zimg_get_last_error(message, sizeof message);
    return Error{Errc::unsupported, std::string("this colour conversion is not possible: ") + message};
}

bool is_aligned(const void* data, std::ptrdiff_t stride) {
    return reinterpret_cast<std::uintptr_t>(data) % 32 == 0 && stride % 32 == 0;
}

// Colour planes of a picture as zimg wants them.
template <class Buffer, class View>
Buffer buffer_of(const View& view) {
    Buffer buffer{};
    buffer.version = ZIMG_API_VERSION;
    for (std::size_t p = 0; p < 3; ++p) {
        buffer.plane[p].data = view.plane[p];
        buffer.plane[p].stride = view.stride_bytes[p];
        buffer.plane[p].mask = ZIMG_BUFFER_MAX;
    }
    return buffer;
}
template <class Buffer>
Buffer buffer_of(FloatPlanes& planes) {
    Buffer buffer{};
    buffer.version = ZIMG_API_VERSION;
    for (int p = 0; p < 3; ++p) {
        buffer.plane[p].data = planes.row(p, 0);
        buffer.plane[p].stride = planes.stride_bytes(p);
        buffer.plane[p].mask = ZIMG_BUFFER_MAX;
    }
    return buffer;
}

Result<void> check(const FrameFormat& frame, Size size, const PixelFormat& rgb) {
    if (size.width <= 0 || size.height <= 0) return Error{Errc::argument, "a frame without pixels"};
    if (frame.bits < 8 || frame.bits > 16)
        return Error{Errc::unsupported, "frames of " + std::to_string(frame.bits) + " bits; expected 8 to 16"};
    if (frame.sub_x > 2 || frame.sub_y > 2) return Error{Errc::unsupported, "chroma subsampled more than 4 times"};
    const int wanted = plane_count(frame);
    if (rgb.channels != wanted || (!rgb.planar && rgb.channels > 1))
        return Error{Errc::argument, "this frame converts to a planar picture of " + std::to_string(wanted) +
                                         " channels; " + std::to_string(rgb.channels) + " were asked for"};
    return {};
}

}  // namespace

struct Converter::State {
    // Everything but the direction is the same for both.
    static Result<std::unique_ptr<State>> make(bool to_rgb, const FrameFormat& frame, Size size, const PixelFormat& rgb,
                                               const ConvertOptions& options);

    bool to_rgb = true;
    FrameFormat frame;   // tags filled in
    PixelFormat rgb;
    Size size;
    ConvertOptions options;
    Size padded;
    FloatPlanes planes;         // to_rgb: the whole frame in float
    std::vector<ZimgGraph> graphs;
    std::vector<Slice> slices;  // YUV only
    Image rgb_copy;             // where the caller's picture is odd or not aligned

    struct Worker {             // of each thread
        AlignedBuffer<std::byte> zimg;
        FloatPlanes planes;     // from_rgb: a slice of the frame in float, or a row where there is no YUV
    };
    std::vector<Worker> workers;

    Result<void> make_slices();

    // Runs body(i, worker) for 0 <= i < n, on all threads where there are some.
    template <class Body>
    void each(int n, const Body& body) {
        if (!options.pool || n < 2) {
            for (int i = 0; i < n; ++i) body(i, workers[0]);
            return;
        }
        std::atomic<int> next{0};
        const auto member = [&](int index, int) {
            for (int i; (i = next.fetch_add(1)) < n;) body(i, workers[static_cast<std::size_t>(index)]);
        };
        options.pool->parallel(std::ref(member));
    }

    bool needs_copy(const auto& picture) const {
        if (!(padded == size)) return true;
        for (std::size_t p = 0; p < 3; ++p)
            if (!is_aligned(picture.plane[p], picture.stride_bytes[p])) return true;
        return false;
    }

    static bool process(const Slice& slice, Worker& worker, const zimg_image_buffer_const& in,
                        const zimg_image_buffer& out) {
        return zimg_filter_graph_process(slice.graph, &in, &out, worker.zimg.data(), nullptr, nullptr, nullptr,
                                         nullptr) == ZIMG_ERROR_SUCCESS;
    }
};

Converter::Converter(std::unique_ptr<State> state) : state_(std::move(state)) {}
Converter::Converter(Converter&&) noexcept = default;
Converter& Converter::operator=(Converter&&) noexcept = default;
Converter::~Converter() = default;

const FrameFormat& Converter::frame_format() const { return state_->frame; }

Result<Converter> Converter::to_rgb(const FrameFormat& from, Size size, const PixelFormat& to,
                                    const ConvertOptions& options) {
    TRY(auto state, State::make(true, from, size, to, options));
    return Converter(std::move(state));
}

Result<Converter> Converter::from_rgb(const PixelFormat& from, Size size, const FrameFormat& to,
                                      const ConvertOptions& options) {
    TRY(auto state, State::make(false, to, size, from, options));
    return Converter(std::move(state));
}

Result<std::unique_ptr<Converter::State>> Converter::State::make(bool to_rgb, const FrameFormat& frame, Size size,
                                                                 const PixelFormat& rgb,
                                                                 const ConvertOptions& options) {
    TRY(check(frame, size, rgb));
    auto state = std::make_unique<State>();
    state->to_rgb = to_rgb;
    state->rgb = rgb;
    state->size = size;
    state->options = options;
    state->frame = frame;
    const bool yuv = frame.family == FrameFamily::yuv;
    if (!yuv) state->frame.sub_x = state->frame.sub_y = 0;
    state->frame.tags = guess_missing(frame.tags, size, frame.family == FrameFamily::rgb);
    const int matrix = state->frame.tags.matrix;
    if (yuv && !is_plain_matrix(matrix) && (frame.tags.transfer == 2 || frame.tags.primaries == 2 || matrix > 14)) {
        ColorTags untagged = frame.tags;
        untagged.matrix = 2;
        state->frame.tags.matrix = guess_missing(untagged, size, false).matrix;
        log(LogLevel::notice, {"matrix-replaced", "the colour matrix is tagged " + std::to_string(matrix) + ", which cannot be used here; " +
                                  std::to_string(state->frame.tags.matrix) + " is taken instead"});
    }
    state->workers.resize(static_cast<std::size_t>(options.pool ? options.pool->size() : 1));
    const FloatPlanes shape(state->frame, to_rgb ? size : Size{size.width, 1});
    state->padded = {shape.padded().width, (size.height + (1 << state->frame.sub_y) - 1) >> state->frame.sub_y << state->frame.sub_y};
    if (to_rgb) state->planes = FloatPlanes(state->frame, size);
    if (yuv) {
        TRY(state->make_slices());
        if (!(state->padded == size)) state->rgb_copy = Image(state->padded, rgb);
    } else if (!to_rgb) {
        for (Worker& worker : state->workers) worker.planes = FloatPlanes(state->frame, {size.width, 1});
    }
    return state;
}

// To RGB, zimg crops by its active region and looks at rows beyond it. From RGB it would crop first and then reduce
// chroma without those rows, so there slices overlap and their edges are thrown away.
Result<void> Converter::State::make_slices() {
    std::map<std::pair<int, int>, const zimg_filter_graph*> known;
    std::size_t most = 0;
    for (int top = 0; top < padded.height; top += kSliceRows) {
        Slice slice;
        slice.top = top;
        slice.rows = std::min(kSliceRows, padded.height - top);
        slice.begin = to_rgb ? 0 : std::max(0, top - kMargin);
        slice.end = to_rgb ? padded.height : std::min(padded.height, top + slice.rows + kMargin);
        const auto [at, is_new] = known.try_emplace({to_rgb ? top : 0, slice.end - slice.begin}, nullptr);
        if (is_new) {
            zimg_image_format yuv = describe(frame, {padded.width, slice.end - slice.begin});
            zimg_image_format picture = describe(rgb, yuv);
            if (to_rgb && slice.rows != padded.height) {
                picture.height = static_cast<unsigned>(slice.rows);
                yuv.active_region = {0, static_cast<double>(top), static_cast<double>(padded.width),
                                     static_cast<double>(slice.rows)};
            }
            TRY(ZimgGraph graph, build(to_rgb ? yuv : picture, to_rgb ? picture : yuv));
            std::size_t bytes = 0;
            ENSURE(zimg_filter_graph_get_tmp_size(graph.get(), &bytes) == ZIMG_ERROR_SUCCESS);
            most = std::max(most, bytes);
            at->second = graph.get();
            graphs.push_back(std::move(graph));
        }
        slice.graph = at->second;
        slices.push_back(slice);
    }
    for (Worker& worker : workers) {
        worker.zimg = AlignedBuffer<std::byte>(most);
        if (!to_rgb)
            worker.planes = FloatPlanes(frame, {padded.width, std::min(padded.height, kSliceRows + 2 * kMargin)});
    }
    return {};
}

Result<void> Converter::convert(const FrameView& in, const MutableImageView& out) {
    State& s = *state_;
    ENSURE(s.to_rgb && in.size == s.size && out.size == s.size && out.format == s.rgb);
    const int planes = plane_count(s.frame);
    const bool yuv = s.frame.family == FrameFamily::yuv;
    const auto [width, height] = s.size;
    const bool copy = yuv && s.needs_copy(out);
    if (copy && s.rgb_copy.empty()) s.rgb_copy = Image(s.padded, s.rgb);
    const int rows = height;
    s.each(s.padded.height, [&](int y, State::Worker&) {
        for (int p = 0; p < planes; ++p)
            if (y < plane_size(s.frame, s.padded, p).height) {
                s.planes.load(in, p, y);
                if (y < rows && (!yuv || p == 3)) store_row(s.planes.row(p, y), out, y, p);
            }
    });
    if (!yuv) return {};
    const MutableImageView target = copy ? s.rgb_copy.view() : out;
    const auto source = buffer_of<zimg_image_buffer_const>(s.planes);
    const std::size_t bytes = static_cast<std::size_t>(width) * static_cast<std::size_t>(sample_bytes(s.rgb.sample));
    std::atomic<bool> failed{false};
    s.each(static_cast<int>(s.slices.size()), [&](int i, State::Worker& worker) {
        const Slice& slice = s.slices[static_cast<std::size_t>(i)];
        const MutableImageView part = target.part({0, slice.top, target.size.width, slice.rows});
        if (!State::process(slice, worker, source, buffer_of<zimg_image_buffer>(part))) failed = true;
        for (int y = slice.top; copy && y < std::min(rows, slice.top + slice.rows); ++y)
            for (int p = 0; p < 3; ++p) std::memcpy(out.row(p, y), target.row(p, y), bytes);
    });
    ENSURE(!failed);
    return {};
}

Result<void> Converter::convert(const ImageView& in, const MutableFrameView& out) {
    State& s = *state_;
    ENSURE(!s.to_rgb && in.size == s.size && out.size == s.size && in.format == s.rgb);
    const int planes = plane_count(s.frame);
    const int width = s.size.width, height = s.size.height;
    if (s.frame.family != FrameFamily::yuv) {
        s.each(height, [&](int y, State::Worker& worker) {
            for (int p = 0; p < planes; ++p) {
                load_row(in, y, p, worker.planes.row(p, 0));
                worker.planes.store(out, p, y, 0, s.options.dither);
            }
        });
        return {};
    }
    ImageView source = in;
    if (s.needs_copy(in)) {
        if (s.rgb_copy.empty()) s.rgb_copy = Image(s.padded, s.rgb);
        const MutableImageView copy = s.rgb_copy.view();
        const auto bytes = static_cast<std::size_t>(sample_bytes(s.rgb.sample));
        s.each(copy.size.height, [&](int y, State::Worker&) {  // the last column and row are repeated
            for (int p = 0; p < 3; ++p) {
                std::byte* row = copy.row(p, y);
                std::memcpy(row, in.row(p, std::min(y, height - 1)), bytes * static_cast<std::size_t>(width));
                for (std::size_t x = static_cast<std::size_t>(width); x < static_cast<std::size_t>(copy.size.width); ++x)
                    std::memcpy(row + bytes * x, row + bytes * (x - 1), bytes);
            }
        });
        source = copy;
    }
    std::atomic<bool> failed{false};
    s.each(static_cast<int>(s.slices.size()), [&](int i, State::Worker& worker) {
        const Slice& slice = s.slices[static_cast<std::size_t>(i)];
        const ImageView part = source.part({0, slice.begin, s.padded.width, slice.end - slice.begin});
        if (!State::process(slice, worker, buffer_of<zimg_image_buffer_const>(part),
                            buffer_of<zimg_image_buffer>(worker.planes)))
            failed = true;
        for (int p = 0; p < planes; ++p) {
            const int sub = is_chroma(s.frame, p) ? s.frame.sub_y : 0;
            const int end = std::min((slice.top + slice.rows) >> sub, plane_size(s.frame, s.size, p).height);
            for (int y = slice.top >> sub; y < end; ++y) {
                const int row = y - (slice.begin >> sub);
                if (p == 3) load_row(in, y, p, worker.planes.row(p, row));
                worker.planes.store(out, p, y, row, s.options.dither);
            }
        }
    });
    ENSURE(!failed);
    return {};
}

}  // namespace enlarge

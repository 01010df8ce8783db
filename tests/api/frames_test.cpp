// SPDX-License-Identifier: Apache-2.0
// Streams of frames through the C interface: the bits of video files, order, flushing, refusals.
#include <enlarge/enlarge.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "c_handles.hpp"

namespace {

using enlarge::test::Handles;
using enlarge::test::sized;
using Bytes = std::vector<std::uint8_t>;

constexpr int kWidth = 46, kHeight = 35;  // odd: chroma is rounded up

int bytes_per_sample(const enlarge_frame& f) { return f.layout == ENLARGE_FRAME_P010 || f.bits > 8 ? 2 : 1; }

struct PlaneSize {
    int width, height;
};
// Size of plane p in samples.
PlaneSize plane_size(const enlarge_frame& f, int p) {
    const int half_w = (f.width + 1) / 2, half_h = (f.height + 1) / 2;
    if (p == 0) return {f.width, f.height};
    switch (f.layout) {
        case ENLARGE_FRAME_I420: return {half_w, half_h};
        case ENLARGE_FRAME_I422: return {half_w, f.height};
        case ENLARGE_FRAME_NV12:
        case ENLARGE_FRAME_P010: return {2 * half_w, half_h};
        default: return {f.width, f.height};
    }
}
int planes(const enlarge_frame& f) {
    return f.layout == ENLARGE_FRAME_GREY ? 1 : f.layout == ENLARGE_FRAME_NV12 || f.layout == ENLARGE_FRAME_P010 ? 2 : 3;
}

// A frame with memory of its own, its planes one after another without gaps.
struct Frame {
    explicit Frame(const enlarge_frame& like) : frame(like) {
        std::size_t total = 0;
        for (int p = 0; p < planes(frame); ++p) total += plane_bytes(p);
        bytes.assign(total, 0);
        std::size_t at = 0;
        for (int p = 0; p < planes(frame); ++p) {
            frame.plane[p] = bytes.data() + at;
            frame.stride_bytes[p] = std::ptrdiff_t{plane_size(frame, p).width} * bytes_per_sample(frame);
            at += plane_bytes(p);
        }
    }
    Frame(const Frame&) = delete;
    Frame(Frame&&) = default;
    [[nodiscard]] std::size_t plane_bytes(int p) const {
        const PlaneSize size = plane_size(frame, p);
        return static_cast<std::size_t>(size.width) * static_cast<std::size_t>(size.height) *
               static_cast<std::size_t>(bytes_per_sample(frame));
    }
    [[nodiscard]] int sample(int p, int x, int y) const {
        const auto* row = static_cast<const std::uint8_t*>(frame.plane[p]) + frame.stride_bytes[p] * y;
        if (bytes_per_sample(frame) == 1) return row[x];
        std::uint16_t value = 0;
        std::memcpy(&value, row + 2 * x, 2);
        return value;
    }
    void set(int p, int x, int y, int value) {
        auto* row = static_cast<std::uint8_t*>(frame.plane[p]) + frame.stride_bytes[p] * y;
        const auto wide = static_cast<std::uint16_t>(value);
        if (bytes_per_sample(frame) == 1) row[x] = static_cast<std::uint8_t>(value);
        else std::memcpy(row + 2 * x, &wide, 2);
    }

    enlarge_frame frame;
    Bytes bytes;
};

enlarge_frame shape(int layout, int bits = 8) {
    auto frame = sized<enlarge_frame>();
    frame.width = kWidth;
    frame.height = kHeight;
    frame.layout = layout;
    frame.bits = bits;
    return frame;
}

// Number `number` of a clip: waves, with a patch that moves, so that most of a frame is that of the one before.
Frame picture(const enlarge_frame& like, int number) {
    Frame made(like);
    const int peak = (1 << (like.bits ? like.bits : 8)) - 1;
    for (int p = 0; p < planes(like); ++p)
        for (int y = 0; y < plane_size(like, p).height; ++y)
            for (int x = 0; x < plane_size(like, p).width; ++x) {
                const int patch = p == 0 && x / 8 == number % 5 && y < 8 ? 60 : 0;
                made.set(p, x, y, peak * (40 + ((x * 3 + y * 5 + p * 50) % 120) + patch) / 255);
            }
    return made;
}

// Submits all, then takes all.
std::vector<Frame> through(const Handles& h, const std::vector<Frame>& in, const enlarge_frame& out_shape,
                           const enlarge_stream_options* options = nullptr) {
    enlarge_stream* stream = nullptr;
    h.must(enlarge_stream_create(h.ctx, h.engine, &in[0].frame, &out_shape, options, &stream));
    std::vector<Frame> out;
    for (std::size_t i = 0; i < in.size(); ++i) out.emplace_back(out_shape);
    for (std::size_t i = 0; i < in.size(); ++i)
        h.must(enlarge_stream_submit(h.ctx, stream, &in[i].frame, &out[i].frame, &out[i]));
    for (std::size_t i = 0; i < in.size(); ++i) {
        auto done = sized<enlarge_frame_done>();
        h.must(enlarge_stream_next(h.ctx, stream, -1, &done));
        EXPECT_EQ(done.finished, 1);
        EXPECT_EQ(done.user, &out[i]);
        EXPECT_EQ(done.waiting, static_cast<int>(in.size() - 1 - i));
    }
    enlarge_stream_destroy(stream);
    return out;
}

enlarge_frame output_shape(const Handles& h, const enlarge_frame& in) {
    auto out = sized<enlarge_frame>();
    h.must(enlarge_output_frame(h.ctx, h.engine, &in, 0, 0, 0, 0, &out));
    return out;
}

std::vector<Frame> clip(const enlarge_frame& like, int frames = 4) {
    std::vector<Frame> made;
    for (int i = 0; i < frames; ++i) made.push_back(picture(like, i));
    return made;
}

// A YUV4MPEG2 file of the frames.
void write_y4m(const std::string& path, const std::vector<Frame>& frames, const std::string& colour) {
    std::ofstream file(path, std::ios::binary);
    file << "YUV4MPEG2 W" << frames[0].frame.width << " H" << frames[0].frame.height << " F25:1 Ip A1:1 C" << colour << "\n";
    for (const Frame& frame : frames) {
        file << "FRAME\n";
        file.write(reinterpret_cast<const char*>(frame.bytes.data()), static_cast<std::streamsize>(frame.bytes.size()));
    }
}

Bytes read_y4m_frames(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    const std::string all((std::istreambuf_iterator<char>(file)), {});
    Bytes out;
    const std::string mark = "FRAME\n";
    std::size_t at = all.find(mark);
    const std::size_t frame = at == std::string::npos ? 0 : all.find(mark, at + 1);
    const std::size_t step = frame == std::string::npos ? all.size() - at : frame - at;
    for (; at < all.size(); at += step) {
        EXPECT_EQ(all.compare(at, mark.size(), mark), 0);
        out.insert(out.end(), all.begin() + static_cast<std::ptrdiff_t>(at + mark.size()),
                   all.begin() + static_cast<std::ptrdiff_t>(std::min(at + step, all.size())));
    }
    return out;
}

Bytes joined(const std::vector<Frame>& frames) {
    Bytes out;
    for (const Frame& frame : frames) out.insert(out.end(), frame.bytes.begin(), frame.bytes.end());
    return out;
}

struct Folder {
    Folder() {
        char name[] = "/tmp/enlarge_frames_XXXXXX";
        path = mkdtemp(name);
    }
    ~Folder() { std::filesystem::remove_all(path); }
    std::string path;
};

struct Kind {
    int layout, bits;
    const char* y4m;
};

TEST(frames, have_the_bits_of_video_files) {
    const Handles h;
    const Folder folder;
    for (const Kind kind : {Kind{ENLARGE_FRAME_I420, 8, "420mpeg2"}, {ENLARGE_FRAME_I422, 8, "422"},
                            {ENLARGE_FRAME_I444, 8, "444"}, {ENLARGE_FRAME_GREY, 8, "mono"},
                            {ENLARGE_FRAME_I420, 10, "420p10"}, {ENLARGE_FRAME_I422, 12, "422p12"},
                            {ENLARGE_FRAME_I444, 12, "444p12"}}) {
        SCOPED_TRACE(kind.y4m);
        const auto in = clip(shape(kind.layout, kind.bits));
        write_y4m(folder.path + "/in.y4m", in, kind.y4m);
        auto options = sized<enlarge_video_options>();
        options.overwrite = 1;
        h.must(enlarge_video_file(h.ctx, h.session, (folder.path + "/in.y4m").c_str(),
                                  (folder.path + "/out.y4m").c_str(), &options, nullptr));
        const auto out = through(h, in, output_shape(h, in[0].frame));
        EXPECT_EQ(out[0].frame.width, 2 * kWidth);
        EXPECT_EQ(joined(out), read_y4m_frames(folder.path + "/out.y4m"));
    }
}

TEST(frames, are_the_same_with_interleaved_chroma_and_in_high_bits) {
    const Handles h;
    for (const bool high : {false, true}) {
        const int bits = high ? 10 : 8, shift = high ? 6 : 0;
        const auto planar = clip(shape(ENLARGE_FRAME_I420, bits), 2);
        const auto like = shape(high ? ENLARGE_FRAME_P010 : ENLARGE_FRAME_NV12, high ? 0 : 8);
        std::vector<Frame> packed;
        for (const Frame& from : planar) {
            Frame to(like);
            for (int p = 0; p < 3; ++p)
                for (int y = 0; y < plane_size(from.frame, p).height; ++y)
                    for (int x = 0; x < plane_size(from.frame, p).width; ++x)
                        to.set(p ? 1 : 0, p ? 2 * x + p - 1 : x, y, from.sample(p, x, y) << shift);
            packed.push_back(std::move(to));
        }
        const auto expected = through(h, planar, output_shape(h, planar[0].frame));
        const auto got = through(h, packed, output_shape(h, like));
        int wrong = 0;
        for (std::size_t i = 0; i < got.size(); ++i)
            for (int p = 0; p < 3; ++p)
                for (int y = 0; y < plane_size(expected[i].frame, p).height; ++y)
                    for (int x = 0; x < plane_size(expected[i].frame, p).width; ++x)
                        wrong += got[i].sample(p ? 1 : 0, p ? 2 * x + p - 1 : x, y) !=
                                 expected[i].sample(p, x, y) << shift;
        EXPECT_EQ(wrong, 0) << bits;
    }
}

TEST(frames, say_their_colours_and_are_converted_by_them) {
    const Handles h;
    auto in = shape(ENLARGE_FRAME_I420);
    auto out = output_shape(h, in);
    EXPECT_EQ(out.matrix, 6);  // of 35 lines
    EXPECT_EQ(out.range, ENLARGE_RANGE_LIMITED);
    EXPECT_EQ(out.siting, ENLARGE_SITING_LEFT);
    EXPECT_EQ(out.primaries, 2);
    in.height = 720;
    EXPECT_EQ(output_shape(h, in).matrix, 1);
    in.primaries = 9;
    in.transfer = 16;
    in.range = ENLARGE_RANGE_FULL;
    in.siting = ENLARGE_SITING_TOP_LEFT;
    out = output_shape(h, in);
    EXPECT_EQ(out.matrix, 9);
    EXPECT_EQ(out.transfer, 16);
    EXPECT_EQ(out.range, ENLARGE_RANGE_FULL);
    EXPECT_EQ(out.siting, ENLARGE_SITING_TOP_LEFT);
    // Out of full range into limited: what is brightest becomes 235.
    auto full = shape(ENLARGE_FRAME_GREY), limited = shape(ENLARGE_FRAME_GREY);
    full.range = ENLARGE_RANGE_FULL;
    std::vector<Frame> white;
    white.emplace_back(full);
    std::fill(white[0].bytes.begin(), white[0].bytes.end(), 255);
    limited = output_shape(h, full);
    EXPECT_EQ(through(h, white, limited)[0].sample(0, 40, 40), 255);
    limited.range = ENLARGE_RANGE_LIMITED;
    EXPECT_NEAR(through(h, white, limited)[0].sample(0, 40, 40), 235, 1);
}

TEST(frames, are_the_same_whether_what_did_not_change_is_computed_again_or_not) {
    const Handles h;
    const auto in = clip(shape(ENLARGE_FRAME_I420), 5);
    auto all = sized<enlarge_stream_options>();
    all.no_reuse = 1;
    EXPECT_EQ(joined(through(h, in, output_shape(h, in[0].frame))),
              joined(through(h, in, output_shape(h, in[0].frame), &all)));
}

TEST(frames, come_in_order_while_others_are_submitted_and_a_flush_forgets_them) {
    const Handles h;
    const auto like = shape(ENLARGE_FRAME_I444);
    const auto out_like = output_shape(h, like);
    const auto in = clip(like, 3);
    enlarge_stream* stream = nullptr;
    h.must(enlarge_stream_create(h.ctx, h.engine, &like, &out_like, nullptr, &stream));
    auto done = sized<enlarge_frame_done>();
    h.must(enlarge_stream_next(h.ctx, stream, -1, &done));  // nothing to wait for
    EXPECT_EQ(done.finished, 0);
    constexpr int kFrames = 12;
    std::vector<Frame> out;
    for (int i = 0; i < kFrames; ++i) out.emplace_back(out_like);
    std::thread submitter([&] {
        enlarge_context* ctx = enlarge_context_create();
        for (int i = 0; i < kFrames; ++i)
            EXPECT_EQ(enlarge_stream_submit(ctx, stream, &in[static_cast<std::size_t>(i % 3)].frame,
                                            &out[static_cast<std::size_t>(i)].frame, &out[static_cast<std::size_t>(i)]),
                      ENLARGE_OK);
        enlarge_context_destroy(ctx);
    });
    for (int taken = 0; taken < kFrames;) {
        h.must(enlarge_stream_next(h.ctx, stream, 0.01, &done));
        if (!done.finished) continue;
        EXPECT_EQ(done.user, &out[static_cast<std::size_t>(taken)]);
        ++taken;
    }
    submitter.join();
    for (int i = 3; i < kFrames; ++i)
        EXPECT_EQ(out[static_cast<std::size_t>(i)].bytes, out[static_cast<std::size_t>(i % 3)].bytes) << i;

    for (Frame& frame : out) h.must(enlarge_stream_submit(h.ctx, stream, &in[0].frame, &frame.frame, nullptr));
    h.must(enlarge_stream_flush(h.ctx, stream));
    h.must(enlarge_stream_next(h.ctx, stream, 0, &done));
    EXPECT_EQ(done.finished, 0);
    EXPECT_EQ(done.waiting, 0);
    h.must(enlarge_stream_submit(h.ctx, stream, &in[1].frame, &out[0].frame, &out[0]));
    h.must(enlarge_stream_next(h.ctx, stream, -1, &done));
    EXPECT_EQ(done.user, &out[0]);
    EXPECT_EQ(out[0].bytes, out[4].bytes);
    h.must(enlarge_stream_submit(h.ctx, stream, &in[1].frame, &out[0].frame, nullptr));
    enlarge_stream_destroy(stream);  // with a frame in work
}

TEST(frames, that_cannot_be_meant_are_refused_in_a_sentence) {
    const Handles h;
    enlarge_stream* stream = nullptr;
    const auto refused = [&](enlarge_frame in, enlarge_frame out) {
        const enlarge_status status = enlarge_stream_create(h.ctx, h.engine, &in, &out, nullptr, &stream);
        EXPECT_EQ(stream, nullptr);
        return std::to_string(status) + ": " + h.error();
    };
    const auto good = shape(ENLARGE_FRAME_I420);
    auto bad = good;
    bad.layout = 99;
    EXPECT_EQ(refused(bad, good), "2: in: unknown layout 99");
    bad = good;
    bad.bits = 7;
    EXPECT_EQ(refused(good, bad), "2: out: 7 bits; expected 8 to 16");
    bad = good;
    bad.matrix = 300;
    EXPECT_EQ(refused(bad, good), "2: in: matrix 300; expected a number of H.273, 0 to 255");
    bad = good;
    bad.width = 0;
    EXPECT_EQ(refused(bad, good), "2: the frames have 0x35 pixels");
    EXPECT_EQ(refused(good, shape(ENLARGE_FRAME_GREY)), "7: frames in colour cannot become grey ones");
    bad = shape(ENLARGE_FRAME_NV12);
    bad.alpha = 1;
    EXPECT_EQ(refused(bad, good), "2: in: no alpha where chroma is interleaved");

    const auto out = output_shape(h, good);
    h.must(enlarge_stream_create(h.ctx, h.engine, &good, &out, nullptr, &stream));
    const Frame in(good), other(shape(ENLARGE_FRAME_I422)), big(out);
    EXPECT_EQ(enlarge_stream_submit(h.ctx, stream, &other.frame, &big.frame, nullptr), ENLARGE_ARGUMENT);
    EXPECT_EQ(h.error(), "in is not like the frames that the stream was made for, of 46x35 pixels");
    enlarge_frame hollow = big.frame;
    hollow.plane[1] = nullptr;
    EXPECT_EQ(enlarge_stream_submit(h.ctx, stream, &in.frame, &hollow, nullptr), ENLARGE_ARGUMENT);
    EXPECT_EQ(h.error(), "out: plane 1 is null");
    enlarge_stream_destroy(stream);
}

}  // namespace

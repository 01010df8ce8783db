// SPDX-License-Identifier: Apache-2.0
// What becomes of frames: the same picture whatever its format, rows and neighbours.
#include <cstdlib>

#include "harness.hpp"

namespace {

using enlarge_gst::test::Harness;
using enlarge_gst::test::doubling;
using enlarge_gst::test::through;
using Values = std::vector<int>;

// Of 8 bits; others are the same in their upper bits.
int wave(int component, int x, int y) { return 40 + (x * 3 + y * 5 + component * 50) % 120; }
Harness::Samples in_bits(int bits) {
    return [bits](int c, int x, int y) { return wave(c, x, y) << (bits - 8); };
}
Values colours(const Values& all, std::size_t count) { return {all.begin(), all.begin() + static_cast<long>(count)}; }

TEST(frames, become_twice_as_large) {
    const Values out = through("I420", wave);
    ASSERT_EQ(out.size(), 68U * 36 * 3 / 2);
    // Every pixel becomes four.
    for (int y = 0; y < 36; ++y)
        for (int x = 0; x < 68; ++x)
            EXPECT_NEAR(out[static_cast<std::size_t>(y * 68 + x)], wave(0, x / 2, y / 2), 2) << x << "," << y;
}

TEST(frames, are_the_same_in_every_arrangement_of_planes) {
    const Values planar = through("I420", wave);
    EXPECT_EQ(through("YV12", wave), planar);
    EXPECT_EQ(through("NV12", wave), planar);
    EXPECT_EQ(colours(through("A420", wave), planar.size()), planar);
    const Values deep = through("I420_10LE", in_bits(10));
    EXPECT_EQ(through("P010_10LE", in_bits(10)), deep);
    EXPECT_EQ(colours(through("A420_10LE", in_bits(10)), deep.size()), deep);
    EXPECT_EQ(through("P012_LE", in_bits(12)), through("I420_12LE", in_bits(12)));
    EXPECT_EQ(colours(through("A422_10LE", in_bits(10)), 68U * 36 * 2), through("I422_10LE", in_bits(10)));
    EXPECT_EQ(colours(through("A444_10LE", in_bits(10)), 68U * 36 * 3), through("Y444_10LE", in_bits(10)));
    const Values rgb = through("GBR", wave);
    EXPECT_EQ(through("RGBP", wave), rgb);
    EXPECT_EQ(through("BGRP", wave), rgb);
    EXPECT_EQ(colours(through("GBRA", wave), rgb.size()), rgb);
    EXPECT_EQ(colours(through("GBRA_10LE", in_bits(10)), rgb.size()), through("GBR_10LE", in_bits(10)));
    EXPECT_EQ(colours(through("GBRA_12LE", in_bits(12)), rgb.size()), through("GBR_12LE", in_bits(12)));
}

TEST(frames, are_the_same_where_components_lie_side_by_side) {
    const Values rgb = through("GBR", wave), with_alpha = through("GBRA", wave);
    for (const char* format : {"RGB", "BGR", "RGBx", "BGRx", "xRGB", "xBGR"})
        EXPECT_EQ(through(format, wave), rgb) << format;
    for (const char* format : {"RGBA", "BGRA", "ARGB", "ABGR"}) {
        EXPECT_EQ(through(format, wave), with_alpha) << format;
        EXPECT_EQ(through(format, wave, 20), with_alpha) << format;
    }
    const Values deep = through("RGBA64_LE", in_bits(16));
    for (const char* format : {"BGRA64_LE", "ARGB64_LE", "ABGR64_LE", "ARGB64"})
        EXPECT_EQ(through(format, in_bits(16)), deep) << format;
    // By rows of one value: 16 bits are 257 times 8.
    const auto shallow = through("RGBA", [](int, int, int y) { return y * 10; });
    const auto wide = through("RGBA64_LE", [](int, int, int y) { return y * 10 * 257; });
    ASSERT_EQ(wide.size(), shallow.size());
    for (std::size_t i = 0; i < wide.size(); ++i) ASSERT_NEAR(wide[i], shallow[i] * 257, 257) << i;
}

TEST(frames, are_opaque_where_nothing_says_how_opaque) {
    for (const auto& [format, at] : {std::pair("RGBx", 3), {"BGRx", 3}, {"xRGB", 0}, {"xBGR", 0}}) {
        Harness run;
        run.caps(std::string("video/x-raw,format=") + format + ",width=8,height=4,framerate=25/1");
        ASSERT_EQ(run.push(wave), GST_FLOW_OK) << format;
        GstBuffer* out = run.pull();
        GstMapInfo map;
        ASSERT_TRUE(gst_buffer_map(out, &map, GST_MAP_READ));
        ASSERT_EQ(map.size, 16U * 8 * 4);
        for (gsize i = 0; i < map.size; i += 4) EXPECT_EQ(map.data[i + static_cast<gsize>(at)], 255) << format << i;
        gst_buffer_unmap(out, &map);
        gst_buffer_unref(out);
    }
}

// Shallow frames and deep ones differ by rounding alone.
TEST(frames, keep_their_depth) {
    struct Pair {
        const char *shallow, *deep;
        int bits;
    };
    for (const Pair& pair : {Pair{"I420", "I420_12LE", 12}, {"I420", "P016_LE", 16}, {"Y42B", "I422_12LE", 12},
                             {"Y444", "Y444_12LE", 12}, {"Y444", "Y444_16LE", 16}, {"GBR", "GBR_12LE", 12},
                             {"GRAY8", "GRAY16_LE", 16}}) {
        // Full range of 16 bits is not a power of two times that of 8: samples of one value stand for both.
        const Values shallow = through(pair.shallow, wave), deep = through(pair.deep, in_bits(pair.bits));
        ASSERT_EQ(shallow.size(), deep.size()) << pair.deep;
        int far = 0;
        for (std::size_t i = 0; i < deep.size(); ++i) far += std::abs(shallow[i] - (deep[i] >> (pair.bits - 8))) > 1;
        EXPECT_EQ(far, 0) << pair.deep;
    }
}

TEST(frames, may_have_longer_rows) {
    for (const char* format : {"I420", "NV12", "P010_10LE", "GBR", "Y42B"}) {
        const int bits = std::string(format) == "P010_10LE" ? 10 : 8;
        EXPECT_EQ(through(format, in_bits(bits), 30), through(format, in_bits(bits))) << format;
    }
}

TEST(frames, keep_their_times_and_what_is_said_about_places_in_them_moves_along) {
    Harness run;
    run.caps("video/x-raw,format=I420,width=32,height=32,framerate=25/1");
    GstBuffer* in = gst_harness_create_buffer(run.h, run.info.size);
    GST_BUFFER_PTS(in) = 7 * GST_SECOND;
    GST_BUFFER_DURATION(in) = 40 * GST_MSECOND;
    gst_buffer_add_video_region_of_interest_meta(in, "face", 3, 4, 10, 12);
    gst_buffer_add_video_time_code_meta_full(in, 25, 1, nullptr, GST_VIDEO_TIME_CODE_FLAGS_NONE, 1, 2, 3, 4, 0);
    ASSERT_EQ(gst_harness_push(run.h, in), GST_FLOW_OK);
    GstBuffer* out = run.pull();
    EXPECT_EQ(GST_BUFFER_PTS(out), 7 * GST_SECOND);
    EXPECT_EQ(GST_BUFFER_DURATION(out), 40 * GST_MSECOND);
    const auto* place = reinterpret_cast<GstVideoRegionOfInterestMeta*>(
        gst_buffer_get_meta(out, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE));
    ASSERT_NE(place, nullptr);
    EXPECT_EQ(place->x, 6U);
    EXPECT_EQ(place->y, 8U);
    EXPECT_EQ(place->w, 20U);
    EXPECT_EQ(place->h, 24U);
    EXPECT_NE(gst_buffer_get_video_time_code_meta(out), nullptr);
    gst_buffer_unref(out);
}

TEST(frames, pools_with_video_meta_are_offered_to_those_before) {
    Harness run;
    run.caps("video/x-raw,format=I420,width=33,height=32,framerate=25/1");
    ASSERT_EQ(run.push(wave), GST_FLOW_OK);
    gst_buffer_unref(run.pull());
    GstCaps* caps = gst_video_info_to_caps(&run.info);
    GstQuery* query = gst_query_new_allocation(caps, TRUE);
    EXPECT_TRUE(gst_pad_peer_query(run.h->srcpad, query));
    EXPECT_TRUE(gst_query_find_allocation_meta(query, GST_VIDEO_META_API_TYPE, nullptr));
    EXPECT_GE(gst_query_get_n_allocation_pools(query), 1U);
    gst_query_unref(query);
    gst_caps_unref(caps);
}

}  // namespace

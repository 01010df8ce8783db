// SPDX-License-Identifier: Apache-2.0
// What the element agrees on with its neighbours, and what it refuses.
#include "harness.hpp"
#include "sizes.hpp"

namespace {

using enlarge_gst::test::Harness;
using enlarge_gst::test::doubling;
using enlarge_gst::test::why_it_does_not_start;

bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

int grey(int, int, int) { return 90; }

std::string frame_through(Harness& run, const std::string& caps) {
    run.caps(caps);
    if (run.push(grey) != GST_FLOW_OK) return "refused: " + run.error();
    gst_buffer_unref(run.pull());
    return run.out_caps();
}

TEST(negotiation, multiplies_the_size_and_keeps_all_else) {
    Harness run;
    const std::string out = frame_through(
        run, "video/x-raw,format=I420_10LE,width=33,height=17,framerate=30000/1001,pixel-aspect-ratio=4/3,"
             "colorimetry=(string)bt2100-pq,chroma-site=(string)v-cosited+h-cosited,"
             "content-light-level=(string)1000:400");
    EXPECT_TRUE(holds(out, "width=(int)66, height=(int)34")) << out;
    EXPECT_TRUE(holds(out, "framerate=(fraction)30000/1001")) << out;
    EXPECT_TRUE(holds(out, "pixel-aspect-ratio=(fraction)4/3")) << out;
    EXPECT_TRUE(holds(out, "colorimetry=(string)bt2100-pq")) << out;
    EXPECT_TRUE(holds(out, "chroma-site=(string)v-cosited+h-cosited")) << out;
    EXPECT_TRUE(holds(out, "content-light-level=(string)1000:400")) << out;
    EXPECT_TRUE(holds(out, "format=(string)I420_10LE")) << out;
}

TEST(negotiation, writes_down_colours_that_would_be_guessed_anew_from_the_larger_size) {
    Harness run;
    std::string out = frame_through(run, "video/x-raw,format=I420,width=64,height=400,framerate=25/1");
    EXPECT_TRUE(holds(out, "bt601") && holds(out, "chroma-site=(string)jpeg")) << out;
    out = frame_through(run, "video/x-raw,format=Y444,width=64,height=600,framerate=25/1");
    EXPECT_TRUE(holds(out, "bt709") && !holds(out, "chroma-site")) << out;
    out = frame_through(run, "video/x-raw,format=I420,width=64,height=402,framerate=25/1,colorimetry=(string)2:0:0:0,"
                             "chroma-site=(string)mpeg2");
    EXPECT_TRUE(holds(out, "bt601") && holds(out, "chroma-site=(string)mpeg2")) << out;
    EXPECT_FALSE(holds(frame_through(run, "video/x-raw,format=GRAY8,width=64,height=64,framerate=25/1"), "color"));
}

TEST(negotiation, takes_a_scale_or_a_width_or_a_height_or_a_box) {
    const std::string in = "video/x-raw,format=I420,width=40,height=30,framerate=25/1";
    const auto size = [&](std::vector<std::string> properties) {
        properties.push_back("model=" + doubling());
        Harness run(properties);
        const std::string out = frame_through(run, in);
        if (holds(out, "refused")) return out;
        return std::to_string(run.out_info().width) + "x" + std::to_string(run.out_info().height);
    };
    EXPECT_EQ(size({"scale=1.5"}), "60x45");
    EXPECT_EQ(size({"width=100"}), "100x75");
    EXPECT_EQ(size({"height=60"}), "80x60");
    EXPECT_EQ(size({"width=100", "height=60"}), "80x60");
    EXPECT_EQ(size({"width=100", "scale=2"}), "refused: give either a scale or a width and height, not both");
}

TEST(negotiation, asks_for_frames_that_become_what_is_wanted) {
    Harness run;
    gst_harness_set_sink_caps_str(run.h, "video/x-raw,width=66,height=[10,21]");
    GstCaps* possible = gst_pad_peer_query_caps(run.h->srcpad, nullptr);
    const GstStructure* structure = gst_caps_get_structure(possible, 0);
    int width = 0;
    EXPECT_TRUE(gst_structure_get_int(structure, "width", &width));
    EXPECT_EQ(width, 33);
    const GValue* height = gst_structure_get_value(structure, "height");
    EXPECT_EQ(gst_value_get_int_range_min(height), 5);
    EXPECT_EQ(gst_value_get_int_range_max(height), 10);
    gst_caps_unref(possible);
    gst_harness_set_sink_caps_str(run.h, "video/x-raw,width=67");  // of which there is none
    possible = gst_pad_peer_query_caps(run.h->srcpad, nullptr);
    EXPECT_TRUE(gst_caps_is_empty(possible));
    gst_caps_unref(possible);
}

// Whatever a size becomes, the size itself is among those that become it.
TEST(negotiation, is_the_same_in_both_directions) {
    for (const double scale : {0.3, 0.5, 1.0, 1.5, 2.0, 2.7, 4.0, 16.0}) {
        enlarge_gst::Upscaler upscaler;
        enlarge_gst::Settings settings;
        settings.model = doubling();
        settings.scale = scale;
        const auto failure = upscaler.open(settings, nullptr, nullptr);
        ASSERT_FALSE(failure) << failure->text;
        for (int side = 1; side < 300; ++side) {
            GstCaps* in =
                gst_caps_new_simple("video/x-raw", "width", G_TYPE_INT, side, "height", G_TYPE_INT, 7, nullptr);
            GstCaps* out = enlarge_gst::caps_of_other_side(upscaler, in, true);
            GstCaps* back = enlarge_gst::caps_of_other_side(upscaler, out, false);
            EXPECT_TRUE(gst_caps_is_fixed(out));
            EXPECT_TRUE(gst_caps_is_subset(in, back)) << side << " at " << scale;
            GstCaps* again = enlarge_gst::caps_of_other_side(upscaler, back, true);
            EXPECT_TRUE(gst_caps_is_equal(out, again)) << side << " at " << scale;
            for (GstCaps* caps : {in, out, back, again}) gst_caps_unref(caps);
        }
    }
}

TEST(negotiation, handles_ranges_and_lists_and_the_largest_numbers) {
    enlarge_gst::Upscaler upscaler;
    const auto other = [&](const char* text, bool forwards) {
        GstCaps* caps = gst_caps_from_string(text);
        GstCaps* made = enlarge_gst::caps_of_other_side(upscaler, caps, forwards);
        gchar* shown = gst_caps_to_string(made);
        std::string found = shown;
        g_free(shown);
        gst_caps_unref(made);
        gst_caps_unref(caps);
        return found;
    };
    const char* all = "video/x-raw, width=(int)[ 1, 2147483647 ], height=(int)[ 1, 2147483647 ]";
    EXPECT_EQ(other("video/x-raw,width=20,height=20", true), all);  // no network is open yet
    enlarge_gst::Settings settings;
    settings.model = doubling();
    ASSERT_FALSE(upscaler.open(settings, nullptr, nullptr));
    EXPECT_EQ(other("video/x-raw", true), "video/x-raw, width=(int)[ 2, 2147483647 ], height=(int)[ 2, 2147483647 ]");
    EXPECT_EQ(other("video/x-raw", false), "video/x-raw, width=(int)[ 1, 1073741823 ], height=(int)[ 1, 1073741823 ]");
    EXPECT_EQ(other("video/x-raw,width={4,7,10},height=[3,5]", false),
              "video/x-raw, width=(int){ 2, 5 }, height=(int)2");
    EXPECT_EQ(other("video/x-raw,width={4,7},height=[3,5]", true),
              "video/x-raw, width=(int){ 8, 14 }, height=(int)[ 6, 10 ]");
    EXPECT_EQ(other("video/x-raw,width=1,height=2", false), "EMPTY");
    settings.width = 640;
    ASSERT_FALSE(upscaler.open(settings, nullptr, nullptr));
    EXPECT_EQ(other("video/x-raw,width=20,height=10", true), "video/x-raw, width=(int)640, height=(int)320");
    EXPECT_EQ(other("video/x-raw,width=640,height=320", false), all);
}

TEST(negotiation, refuses_in_a_sentence) {
    Harness run;
    const std::string interlaced =
        "video/x-raw,format=I420,width=64,height=64,framerate=25/1,interlace-mode=interleaved";
    EXPECT_EQ(frame_through(run, interlaced), "refused: The frames are interlaced (interleaved); enlarge takes "
                                              "progressive ones: put deinterlace before it.");
    EXPECT_TRUE(holds(why_it_does_not_start({"model=/no/such.pth"}), "/no/such.pth"));
    EXPECT_TRUE(holds(why_it_does_not_start({"model=swift-x2", "denoise=0.5"}), "not with 'swift-x2'"));
    EXPECT_TRUE(holds(why_it_does_not_start({"model=" + doubling(), "device=abacus"}), "abacus"));
    EXPECT_EQ(why_it_does_not_start({"model=" + doubling()}), "");
}

TEST(negotiation, tells_a_latency_of_one_frame_and_has_no_qos) {
    Harness run;
    gst_harness_set_upstream_latency(run.h, 10 * GST_MSECOND);
    frame_through(run, "video/x-raw,format=I420,width=64,height=64,framerate=25/1");
    EXPECT_EQ(gst_harness_query_latency(run.h), 50 * GST_MSECOND);
    gboolean qos = TRUE;
    g_object_get(run.element, "qos", &qos, nullptr);
    EXPECT_FALSE(qos);
}

TEST(negotiation, properties_are_given_back) {
    Harness run({"model=" + doubling(), "scale=1.5", "device=cpu", "precision=fp32", "threads=2", "tile=64"});
    gchar *model = nullptr, *device = nullptr;
    double scale = 0, denoise = 0;
    int precision = 0, threads = 0, tile = 0, width = 9, height = 9;
    g_object_get(run.element, "model", &model, "device", &device, "scale", &scale, "denoise", &denoise, "precision",
                 &precision, "threads", &threads, "tile", &tile, "width", &width, "height", &height, nullptr);
    EXPECT_EQ(model, doubling());
    EXPECT_STREQ(device, "cpu");
    EXPECT_EQ(scale, 1.5);
    EXPECT_EQ(denoise, 1);
    EXPECT_EQ(precision, ENLARGE_PRECISION_FP32);
    EXPECT_EQ(threads, 2);
    EXPECT_EQ(tile, 64);
    EXPECT_EQ(width + height, 0);
    g_free(model);
    g_free(device);
}

}  // namespace

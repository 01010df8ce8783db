// SPDX-License-Identifier: Apache-2.0
#include "sizes.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace enlarge_gst {

namespace {

struct Span {
    int low = 1, high = G_MAXINT;
};

// As the library rounds.
double enlarged(double side, double factor) { return std::max(1.0, std::round(side * factor)); }

// Sides that become at least, or at most, this.
int first_becoming(int side, double factor) {
    double from = std::max(1.0, std::floor((side - 1) / factor));
    while (from < G_MAXINT && enlarged(from, factor) < side) ++from;
    return static_cast<int>(std::min<double>(from, G_MAXINT));
}
int last_becoming(int side, double factor) {
    if (side == G_MAXINT && factor <= 1) return G_MAXINT;
    double until = std::min<double>(std::ceil((side + 1.0) / factor), G_MAXINT);
    while (until > 0 && enlarged(until, factor) > side) --until;
    return static_cast<int>(until);
}

// Empty (low > high) when nothing is left.
Span through(Span from, double factor, bool forwards) {
    if (!forwards) return {first_becoming(from.low, factor), last_becoming(from.high, factor)};
    const double low = enlarged(from.low, factor), high = enlarged(from.high, factor);
    if (low > G_MAXINT) return {1, 0};
    return {static_cast<int>(low), static_cast<int>(std::min<double>(high, G_MAXINT))};
}

void add_spans(const GValue* value, std::vector<Span>& spans) {
    if (!value) spans.push_back({});
    else if (G_VALUE_HOLDS_INT(value)) spans.push_back({g_value_get_int(value), g_value_get_int(value)});
    else if (GST_VALUE_HOLDS_INT_RANGE(value))
        spans.push_back({gst_value_get_int_range_min(value), gst_value_get_int_range_max(value)});
    else if (GST_VALUE_HOLDS_LIST(value))
        for (guint i = 0; i < gst_value_list_get_size(value); ++i) add_spans(gst_value_list_get_value(value, i), spans);
}

void set_span(GValue* value, Span span) {
    if (span.low == span.high) {
        g_value_init(value, G_TYPE_INT);
        g_value_set_int(value, span.low);
        return;
    }
    g_value_init(value, GST_TYPE_INT_RANGE);
    gst_value_set_int_range(value, span.low, span.high);
}

// One side of a structure; false when nothing is left.
bool map_side(GstStructure* structure, const char* side, double factor, bool forwards) {
    std::vector<Span> spans;
    add_spans(gst_structure_get_value(structure, side), spans);
    GValue list = G_VALUE_INIT;
    g_value_init(&list, GST_TYPE_LIST);
    for (const Span from : spans) {
        const Span to = through(from, factor, forwards);
        if (to.low > to.high) continue;
        GValue value = G_VALUE_INIT;
        set_span(&value, to);
        gst_value_list_append_and_take_value(&list, &value);
    }
    const guint left = gst_value_list_get_size(&list);
    if (left == 1) gst_structure_set_value(structure, side, gst_value_list_get_value(&list, 0));
    if (left > 1) gst_structure_set_value(structure, side, &list);
    g_value_unset(&list);
    return left > 0;
}

// False when no frame of such a size can be.
bool map_sizes(Upscaler& upscaler, double factor, GstStructure* structure, bool forwards) {
    Size in;
    if (forwards && gst_structure_get_int(structure, "width", &in.width) &&
        gst_structure_get_int(structure, "height", &in.height)) {
        if (const auto out = upscaler.output_size(in)) {
            gst_structure_set(structure, "width", G_TYPE_INT, out->width, "height", G_TYPE_INT, out->height, nullptr);
            return true;
        }
        if (factor > 0) return false;
    }
    if (factor > 0)
        return map_side(structure, "width", factor, forwards) && map_side(structure, "height", factor, forwards);
    gst_structure_set(structure, "width", GST_TYPE_INT_RANGE, 1, G_MAXINT, "height", GST_TYPE_INT_RANGE, 1, G_MAXINT,
                      nullptr);
    return true;
}

}  // namespace

GstCaps* caps_of_other_side(Upscaler& upscaler, GstCaps* caps, bool forwards) {
    const double factor = upscaler.factor();
    GstCaps* made = gst_caps_new_empty();
    for (guint i = 0; i < gst_caps_get_size(caps); ++i) {
        GstStructure* structure = gst_structure_copy(gst_caps_get_structure(caps, i));
        GstCapsFeatures* features = gst_caps_features_copy(gst_caps_get_features(caps, i));
        if (map_sizes(upscaler, factor, structure, forwards)) {
            gst_caps_append_structure_full(made, structure, features);
        } else {
            gst_structure_free(structure);
            gst_caps_features_free(features);
        }
    }
    return made;
}

}  // namespace enlarge_gst

// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "base/limits.hpp"
#include "base/text.hpp"
#include "enlarge/enlarge.hpp"
#include "image/format.hpp"

namespace enlarge {

Result<Size> resolve(const OutputSize& wanted, Size input, int model_scale) {
    if (input.width <= 0 || input.height <= 0)
        return Error{Errc::argument, "the picture has no pixels (" + describe(input) + ")"};
    if (wanted.width < 0 || wanted.height < 0)
        return Error{Errc::argument, "an output of " + describe({wanted.width, wanted.height}) + " pixels cannot be"};
    if (wanted.scale != 0 && (wanted.width || wanted.height))
        return Error{Errc::argument, "give either a scale or a width and height, not both"};
    double across = model_scale, down = model_scale;
    if (wanted.scale != 0) {
        if (!std::isfinite(wanted.scale) || wanted.scale <= 0)
            return Error{Errc::argument, "a scale must be larger than 0; found " + shortest(wanted.scale)};
        across = down = wanted.scale;
    } else if (wanted.width && wanted.height) {
        across = static_cast<double>(wanted.width) / input.width;
        down = static_cast<double>(wanted.height) / input.height;
        if (wanted.fit) across = down = std::min(across, down);
    } else if (wanted.width) {
        across = down = static_cast<double>(wanted.width) / input.width;
    } else if (wanted.height) {
        across = down = static_cast<double>(wanted.height) / input.height;
    }
    const Limits limits;
    const double width = std::max(1.0, std::round(input.width * across));
    const double height = std::max(1.0, std::round(input.height * down));
    if (width > limits.side || height > limits.side || width * height > static_cast<double>(limits.pixels))
        return Error{Errc::limit, "the output would have " + std::to_string(static_cast<long long>(width)) + "x" +
                                      std::to_string(static_cast<long long>(height)) + " pixels; at most " +
                                      std::to_string(limits.side) + " a side and " + std::to_string(limits.pixels) +
                                      " in all"};
    return Size{static_cast<int>(width), static_cast<int>(height)};
}

Result<Rect> part_of_output(Rect part, Size in, Size out) {
    const std::string asked = describe(part.size()) + " at " + std::to_string(part.x) + "," + std::to_string(part.y);
    part.width = std::min(part.width, in.width - part.x);
    part.height = std::min(part.height, in.height - part.y);
    if (part.x < 0 || part.y < 0 || part.width <= 0 || part.height <= 0)
        return Error{Errc::argument, "the part " + asked + " lies outside of the picture, which has " + describe(in) +
                                         " pixels"};
    const auto carried = [](int at, int from, int to) { return static_cast<int>(std::int64_t{at} * to / from); };
    const int left = carried(part.x, in.width, out.width), top = carried(part.y, in.height, out.height);
    const int right = carried(part.right(), in.width, out.width);
    const int bottom = carried(part.bottom(), in.height, out.height);
    return Rect{left, top, std::max(1, right - left), std::max(1, bottom - top)};
}

}  // namespace enlarge

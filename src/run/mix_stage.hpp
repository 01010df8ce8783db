// SPDX-License-Identifier: Apache-2.0
// The network's picture mixed with the plain enlargement (EngineOptions::strength).
#pragma once

#include <deque>
#include <memory>

#include "run/row_stage.hpp"

namespace enlarge {

// Gives the rows of one stage to two that read at their own pace; what one has read and the other has not is kept.
class Tee {
public:
    explicit Tee(RowStage& source) : first_(source, second_), second_(source, first_) {}
    Tee(const Tee&) = delete;
    Tee& operator=(const Tee&) = delete;

    RowStage& first() { return first_; }
    RowStage& second() { return second_; }
    void restart();

private:
    class Branch : public RowStage {
    public:
        Branch(RowStage& source, Branch& other) : source_(source), other_(other) {}
        [[nodiscard]] Size size() const override { return source_.size(); }
        [[nodiscard]] PixelFormat format() const override { return source_.format(); }
        Result<ImageView> next() override;
        [[nodiscard]] const ImageView* whole() const override { return source_.whole(); }
        void restart();

    private:
        RowStage& source_;
        Branch& other_;
        std::deque<std::shared_ptr<Image>> waiting_;  // read by the other, not yet by this one
        std::shared_ptr<Image> shown_;
    };
    Branch first_, second_;
};

// Rows of any format as planar floats.
class FloatStage : public ConvertStage {
public:
    explicit FloatStage(RowStage& stage);

private:
    void convert(const ImageView& rows, const MutableImageView& out) override;
};

// strength * network + (1 - strength) * plain, sample by sample, in float; strength 0 is `plain` bit for bit. Transparency
// (the last of two or four channels) is the network stage's: it has a rule of its own (AlphaMode).
class MixStage : public RowStage {
public:
    // Both give planar floats of one size and number of channels. `network` may be null: then plain alone is given.
    MixStage(RowStage* network, RowStage& plain, double strength);
    [[nodiscard]] Size size() const override { return plain_.size(); }
    [[nodiscard]] PixelFormat format() const override { return buffer_.format(); }
    Result<ImageView> next() override;
    void restart();

private:
    RowStage* network_;
    RowStage& plain_;
    float strength_;
    Image buffer_;
    ImageView from_network_, from_plain_;  // rows that are not mixed yet
};

}  // namespace enlarge

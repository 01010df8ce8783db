// SPDX-License-Identifier: Apache-2.0
// GET /metrics: Prometheus' text format.
#include <charconv>

#include "service/service.hpp"

namespace serve {
namespace {

class Page {
public:
    void family(const char* name, const char* type, const char* help) {
        name_ = name;
        text_ += "# HELP " + name_ + " " + help + "\n# TYPE " + name_ + " " + type + "\n";
    }
    void value(double number, const std::string& labels = {}, const char* suffix = "") {
        char digits[32];
        const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
        text_ += name_ + suffix + (labels.empty() ? "" : "{" + labels + "}") + " " + std::string(digits, end) + "\n";
    }
    void single(const char* name, const char* type, const char* help, double number) {
        family(name, type, help);
        value(number);
    }
    [[nodiscard]] const std::string& text() const { return text_; }

private:
    std::string name_, text_;
};

void add_histogram(Page& page, const Tally& tally) {
    page.family("enlarge_work_seconds", "histogram", "Time of workers on one picture or film that was done");
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < std::size(tally.within); ++i) {
        sum += tally.within[i];
        char bound[32] = "+Inf";
        if (i < std::size(Tally::kBounds)) *std::to_chars(bound, bound + 31, Tally::kBounds[i]).ptr = 0;
        page.value(static_cast<double>(sum), std::string("le=\"") + bound + "\"", "_bucket");
    }
    page.value(static_cast<double>(tally.milliseconds) / 1000, "", "_sum");
    page.value(static_cast<double>(sum), "", "_count");
}

}  // namespace

Answer Service::metrics(Request&) {
    Page page;
    const Pool::State state = pool_->state();
    const HttpServer::Counts counts = http_->counts();
    page.single("enlarge_queue_waiting", "gauge", "Pieces of work that wait", static_cast<double>(state.waiting));
    page.single("enlarge_queue_running", "gauge", "Pieces of work in hand", static_cast<double>(state.running));
    page.single("enlarge_queue_capacity", "gauge", "How many may wait", static_cast<double>(options_.queue));
    page.single("enlarge_worker_starts_total", "counter", "Worker processes started",
                static_cast<double>(state.starts));
    page.single("enlarge_worker_crashes_total", "counter", "Worker processes that ended in the middle of work",
                static_cast<double>(state.crashes));
    page.family("enlarge_work_total", "counter", "Pieces of work by their end");
    page.value(static_cast<double>(tally_.pictures), "end=\"picture\"");
    page.value(static_cast<double>(tally_.films), "end=\"film\"");
    page.value(static_cast<double>(tally_.failed), "end=\"failed\"");
    page.value(static_cast<double>(tally_.cancelled), "end=\"cancelled\"");
    page.single("enlarge_pixels_total", "counter", "Pixels of results", static_cast<double>(tally_.pixels));
    add_histogram(page, tally_);
    page.single("enlarge_http_connections_total", "counter", "Connections taken",
                static_cast<double>(counts.connections));
    page.single("enlarge_http_connections_cut_total", "counter", "Connections cut off because the client was too slow",
                static_cast<double>(counts.cut));
    page.family("enlarge_http_answers_total", "counter", "Answers by address and status");
    for (const auto& [key, number] : counts.answers)
        page.value(static_cast<double>(number),
                   "address=\"" + key.first + "\",status=\"" + std::to_string(key.second) + "\"");
    page.single("enlarge_uptime_seconds", "gauge", "Since the server began",
                std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count());
    Response response{.body = page.text()};
    return response.with("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
}

}  // namespace serve

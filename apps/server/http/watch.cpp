// SPDX-License-Identifier: Apache-2.0
// Clients that are slow on purpose, and those that are gone: what the library's own time-out does not see, since a byte
// now and then keeps it content.
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <chrono>

#include "http/exchange.hpp"

namespace serve {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kBytesASecond = 1024;
constexpr std::int64_t kKept_ms = 75'000;  // a connection between requests: a little more than the library's time-out

std::int64_t now_ms() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

// Bytes that came and bytes that the other side has taken, since the connection began.
std::uint64_t moved(int fd) {
    tcp_info info{};
    socklen_t length = sizeof info;
    if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0) return 0;
    return info.tcpi_bytes_received + info.tcpi_bytes_acked;
}

bool is_gone(int fd) {
    pollfd look{fd, POLLRDHUP, 0};
    return ::poll(&look, 1, 0) > 0 && (look.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

bool is_slow(Connection& one, const HttpOptions& options, std::int64_t now) {
    if (one.phase == Connection::Phase::head)
        return now - one.since_ms > (one.first ? options.head_s * std::int64_t{1000} : kKept_ms);
    const std::int64_t window = options.rate_window_s * std::int64_t{1000};
    if (one.mark_ms != 0 && now - one.mark_ms < window) return false;
    const std::uint64_t bytes = moved(one.fd);
    const bool slow =
        one.mark_ms != 0 && bytes - one.mark_bytes < kBytesASecond * static_cast<std::uint64_t>(options.rate_window_s);
    one.mark_ms = now;
    one.mark_bytes = bytes;
    return slow;
}

}  // namespace

void watch_connections(HttpServer::State& state) {
    while (true) {
        std::vector<std::shared_ptr<Later>> laters;
        std::vector<std::shared_ptr<Feed>> feeds;
        {
            std::unique_lock lock(state.mutex);
            state.stopped.wait_for(lock, 500ms, [&] { return state.watch_ends; });
            if (state.watch_ends) return;
            const std::int64_t now = now_ms();
            for (auto& [connection, one] : state.connections) {
                if (one.phase == Connection::Phase::waiting) {
                    if (!is_gone(one.fd)) continue;
                    if (auto later = one.later.lock()) laters.push_back(std::move(later));
                    if (auto feed = one.feed.lock()) feeds.push_back(std::move(feed));
                } else if (is_slow(one, state.options, now)) {
                    ::shutdown(one.fd, SHUT_RDWR);  // the library closes it; it is in the list until then
                    ++state.counts.cut;
                }
            }
        }
        for (const auto& later : laters) {
            if (later->gone) later->gone();
            later->fulfil(error_response(408, "gone", "the client did not wait for the answer"));
        }
        for (const auto& feed : feeds) {
            feed->ended = true;
            feed->wake();
        }
    }
}

}  // namespace serve

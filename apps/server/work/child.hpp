// SPDX-License-Identifier: Apache-2.0
// A worker process and the socket to it.
#pragma once

#include <sys/types.h>

#include <string>

#include "work/messages.hpp"

namespace serve {

class Child {
public:
    Child() = default;
    ~Child() { end(); }
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;

    // Starts `program serve --worker-socket 3 --device DEVICE --threads N`. The calling thread must live as long as the
    // child.
    bool start(const std::string& program, const std::string& device, int threads);
    // Whether it is there still; takes note of its end.
    bool running();
    // Kills it, waits for its end, and says how it ended: "was ended by signal 11 (Segmentation fault)".
    std::string end();

    [[nodiscard]] int socket() const { return socket_; }
    LineReader& reader() { return reader_; }

private:
    void settle(int status);
    pid_t pid_ = -1;
    int socket_ = -1;
    std::string ended_;
    LineReader reader_;
};

}  // namespace serve

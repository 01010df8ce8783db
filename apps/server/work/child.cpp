// SPDX-License-Identifier: Apache-2.0
#include "work/child.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

extern char** environ;

namespace serve {

bool Child::start(const std::string& program, const std::string& device, int threads) {
    end();
    int pair[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return false;
    const std::string count = std::to_string(threads);
    const char* words[] = {program.c_str(), "serve",     "--worker-socket", "3",    "--device",
                           device.c_str(),  "--threads", count.c_str(),     nullptr};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, pair[1], 3);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setpgroup(&attributes, 0);  // Ctrl-C at a terminal is the server's to act on
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
    const int failed = ::posix_spawn(&pid_, program.c_str(), &actions, &attributes, const_cast<char**>(words), environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    ::close(pair[1]);
    if (failed != 0) {
        ::close(pair[0]);
        pid_ = -1;
        ended_ = std::string("could not be started: ") + std::strerror(failed);
        return false;
    }
    socket_ = pair[0];
    reader_ = {};
    return true;
}

void Child::settle(int status) {
    if (WIFSIGNALED(status)) {
        const int number = WTERMSIG(status);
        ended_ = "was ended by signal " + std::to_string(number) + " (" + ::strsignal(number) + ")";
    } else {
        ended_ = "ended with exit code " + std::to_string(WEXITSTATUS(status));
    }
    pid_ = -1;
    ::close(socket_);
    socket_ = -1;
}

bool Child::running() {
    if (pid_ < 0) return false;
    int status = 0;
    const pid_t found = ::waitpid(pid_, &status, WNOHANG);
    if (found == pid_) settle(status);
    return found == 0;
}

std::string Child::end() {
    if (pid_ < 0) return ended_;
    ::kill(pid_, SIGKILL);  // of no effect on one that ended by itself: its own end is what is told
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    settle(status);
    return ended_;
}

}  // namespace serve

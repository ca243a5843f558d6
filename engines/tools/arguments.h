#pragma once

#include <cstddef>
#include <string>

#include "ltp/engine.h"

struct Arguments {
    std::string bundle, file;
    std::size_t batch = 32;
    bool labels = false, text = false;
    ltp::Options engine;
};

/// A message for the user that ends the program.
struct Failure {
    std::string message;
};

/// Reads the command line; --help ends the program.
Arguments parse_arguments(int argc, char** argv);

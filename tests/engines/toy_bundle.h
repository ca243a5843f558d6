// A bundle in a temporary directory, which vanishes at the end of its scope.
#pragma once

#include <filesystem>
#include <string>

namespace test {

class ToyBundle {
public:
    /// Valid, with a few bytes for an engine.
    ToyBundle();
    ~ToyBundle();
    ToyBundle(const ToyBundle&) = delete;
    ToyBundle& operator=(const ToyBundle&) = delete;

    /// Puts a working engine in: one row [sum of ids, sum of positions, sum of types] per sequence.
    void make_engine();
    void put(const std::string& file, const std::string& content);
    /// Changes the manifest and records its new hash.
    void replace(const std::string& from, const std::string& to);

    const std::filesystem::path path;

private:
    std::string entry(const std::string& file) const;
    void write_manifest();

    std::string manifest_;
};

}  // namespace test

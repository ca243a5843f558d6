// Digests of files, against values that Python found: see ltp_deploy/bundle/files.py.
#include "digests.h"

#include "../plugins/check.h"

namespace {

std::string counted(std::size_t size) {
    std::string data(size, '\0');
    for (std::size_t i = 0; i < size; ++i) data[i] = static_cast<char>(i % 251);
    return data;
}

void known() {
    constexpr std::size_t piece = 4 << 20;
    const std::pair<std::size_t, const char*> cases[] = {
        {0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {3, "35f9f2930ea344618822795eeec568ae67ab2987d8b19e4591e10527baa1df3d"},
        {piece - 1, "e1d05b9adf4293b7fec11b099ce74116fc06dfa733a9833be9166ab4c769da43"},
        {piece, "b9654428408015906b44a00935b70af33830aa344b780b0eabd535a133150d04"},
        {piece + 1, "4a6cc0a344febaa07772e7c974834b2fb1d24594d4ba15f27c97a54699709f44"},
        {2 * piece + 1000, "9cc7196d04bf8c6dbd7684e42e33bc1a6e21fd79423c52f22577a9bc3f7ce698"},
    };
    std::vector<std::string> files;
    for (const auto& [size, digest] : cases) files.push_back(counted(size));
    const std::vector<std::string> found = ltp::digests({files.begin(), files.end()});
    CHECK(found.size() == files.size(), found.size());
    for (std::size_t i = 0; i < files.size(); ++i)
        CHECK(found[i] == cases[i].second, files[i].size(), "bytes:", found[i]);
    CHECK(ltp::digests({}).empty(), "no files");
}

}  // namespace

int main() {
    known();
    return test::report("digests");
}

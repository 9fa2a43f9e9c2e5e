// A button whose request is refused says why; the package's scripts keep silent about it.
$(document).ajaxError(function (event, answer, request) {
    if (request.type === "POST") {
        var error = (answer.responseJSON || {}).error;
        alert(error ? error.message : "The server did not do that (" + answer.status + "). Its log says more.");
    }
});

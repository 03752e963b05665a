"""The pages: choose a query or upload one, see its answer; every mistake is a sentence on the page."""

from __future__ import annotations

from flask import Flask, Response, abort, make_response, render_template, request
from werkzeug.exceptions import RequestEntityTooLarge

from datasets_ext.errors import UserError

from ..visualization.canvas import MODALITIES
from .pictures import data_address, heated, picture, png
from .search import Answer, PersonSearch
from .upload import FORMATS, MAX_BYTES, MAX_PIXELS, read_upload

TOP = 10  # matches on a page
OFFERED = 32  # test images to choose from on a page
_FORM = 2**16  # bytes of a request beside the file
# The page loads and sends nothing but what this server gives and takes.
_POLICY = (
    "default-src 'none'; img-src 'self' data:; style-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)


def create_app(search: PersonSearch) -> Flask:
    """The application; it answers only under the names of this machine itself."""
    app = Flask(__name__)
    app.config.update(MAX_CONTENT_LENGTH=MAX_BYTES + _FORM, TRUSTED_HOSTS=["127.0.0.1", "localhost"])
    pages = _Pages(search)
    app.add_url_rule("/", view_func=pages.home)
    app.add_url_rule("/test/<int:row>", view_func=pages.test_image)
    app.add_url_rule("/image/<int:row>.png", view_func=pages.image)
    app.add_url_rule("/upload", view_func=pages.upload, methods=["POST"])
    app.register_error_handler(UserError, pages.mistake)
    app.register_error_handler(RequestEntityTooLarge, pages.too_large)
    app.after_request(_protect)
    return app


def _protect(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = _POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


class _Pages:
    """One method a page."""

    def __init__(self, search: PersonSearch) -> None:
        self._search = search

    def home(self) -> str:
        return self._page()

    def test_image(self, row: int) -> str:
        """The answer for a test image."""
        self._check(row)
        return self._page(self._search.ask_row(row, TOP), self._search.embedded.images.paths[row], row=row)

    def image(self, row: int) -> Response:
        """A test image as a PNG."""
        self._check(row)
        response = make_response(png(picture(self._search.pixels(row))))
        # Another model may be served here next: the number of an image says nothing of which it is.
        response.headers.update({"Content-Type": "image/png", "Cache-Control": "no-store"})
        return response

    def upload(self) -> str:
        """The answer for an uploaded image."""
        file, said = request.files.get("image"), request.form.get("modality", "")
        if file is None or said not in MODALITIES:
            abort(400)
        name = file.filename or ""
        image = read_upload(file.stream.read(), name)
        return self._page(self._search.ask_image(image, MODALITIES.index(said), TOP), name)

    def mistake(self, error: UserError) -> tuple[str, int]:
        """The sentence for an upload that is no image, or a test image that is gone."""
        return self._page(error=str(error)), 400

    def too_large(self, _: RequestEntityTooLarge) -> tuple[str, int]:
        """The sentence for a file over the limit. The rest of it is read first: a browser shows no answer before."""
        left, stream = request.content_length or 0, request.environ["wsgi.input"]
        while left > 0 and (read := len(stream.read(min(left, 2**20)))):
            left -= read
        return self._page(error=f"The file is too big: it may have {MAX_BYTES // 2**20} MB."), 413

    def _check(self, row: int) -> None:
        if row >= len(self._search.embedded.features):
            abort(404)

    def _page(self, answer: Answer | None = None, name: str = "", error: str = "", row: int | None = None) -> str:
        """The page with an answer or an error, and below it test images to choose from, ``row`` marked."""
        modality = 1 if answer is None else answer.modality
        side = min(max(request.args.get("side", modality, int), 0), 1)
        rows = self._search.rows(side).tolist()
        page = min(max(request.args.get("page", 0, int), 0), (len(rows) - 1) // OFFERED)
        return render_template(
            "page.html",
            search=self._search,
            modalities=MODALITIES,
            answer=answer,
            name=name,
            error=error,
            modality=modality,
            side=side,
            row=row,
            rows=rows[page * OFFERED : (page + 1) * OFFERED],
            page=page,
            more=len(rows) > (page + 1) * OFFERED,
            limits=f"{', '.join(FORMATS)}; at most {MAX_BYTES // 2**20} MB and {MAX_PIXELS // 10**6} million pixels",
            shown=lambda item: data_address(picture(item.pixels)),
            heated=lambda item: data_address(heated(item.pixels, item.heat)),
        )

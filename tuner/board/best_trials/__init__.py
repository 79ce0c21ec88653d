"""The server side of the tab Best trials: it reads logs, and answers with JSON.

It runs inside TensorBoard, so it needs no more than TensorBoard does.
"""

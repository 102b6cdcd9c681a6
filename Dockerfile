# JupyterLab with qfnb and its sandbox: docker build -t qfnb . && docker run --rm -p 127.0.0.1:8888:8888 qfnb
FROM python:3.12-slim
RUN useradd --create-home user
WORKDIR /home/user
COPY --chown=user . /home/user/qfnb
RUN pip install --no-cache-dir "/home/user/qfnb[lab]"
USER user
EXPOSE 8888
CMD ["jupyter", "lab", "--ip=0.0.0.0", "--no-browser", "--ServerApp.root_dir=/home/user/qfnb/notebooks"]
